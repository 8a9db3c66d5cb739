/** Colours for a terminal. Every one of them is the identity when colours are not wanted. */
export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

export type Paint = (text: string) => string;

export function paletteOf(hasColor: boolean): Palette {
  // Select Graphic Rendition: each opening code with the one that ends it alone, so that they nest.
  const paint = (open: number, close: number): Paint =>
    hasColor ? (text) => `\u001b[${open}m${text}\u001b[${close}m` : (text) => text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}
