import { stripVTControlCharacters } from 'node:util';
import { redact } from '../../base/redact.ts';
import { type Palette, paletteOf } from '../../report/palette.ts';
import type { Terminal } from '../terminal.ts';

/** Columns that a line may have, indentation included. */
const width = 96;
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** What the reader of the demo sees: lines that stay and, on a terminal, one below them that lives. */
export class Stage {
  readonly palette: Palette;
  readonly #terminal: Terminal;
  #live = '';
  #frame = 0;
  #ticker: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.palette = paletteOf(terminal.hasColor);
  }

  /** Lines that stay; long ones are broken between words, and go on with the indentation that they began with. */
  say(text: string, indentation = 0): void {
    this.#write(
      text
        .split('\n')
        .flatMap((line) => wrapped(line, width - indentation))
        .map((line) => `${line === '' ? '' : ' '.repeat(indentation)}${line}\n`)
        .join(''),
    );
  }

  /** Lines to copy: as they are, however long. */
  print(text: string): void {
    this.#write(`${text}\n`);
  }

  heading(text: string): void {
    this.say(`\n${this.palette.bold(this.palette.cyan(text))}`);
  }

  /** A command that the reader could have typed. */
  command(text: string): void {
    this.say(`\n  ${this.palette.dim('$')} ${this.palette.bold(text)}`);
  }

  /** The line that lives, until the next one or `rest`; nothing where there is no terminal. */
  doing(text: string): void {
    if (!this.#terminal.hasColor) return;
    this.#live = text;
    this.#ticker ??= setInterval(() => this.#draw(), 100).unref();
    this.#draw();
  }

  /** Takes the line that lives away. */
  rest(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    if (this.#live !== '') this.#terminal.out('\r\u001b[K');
    this.#live = '';
  }

  #write(text: string): void {
    const live = this.#live;
    this.rest();
    this.#terminal.out(redact(text));
    if (live !== '') this.doing(live);
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % frames.length;
    const line = `  ${frames[this.#frame] ?? ''} ${this.#live}`;
    this.#terminal.out(
      `\r\u001b[K${this.palette.dim(line.slice(0, Math.min(width, (process.stdout.columns || 80) - 1)))}`,
    );
  }
}

/** Breaks one line; colours count for nothing. Words that are too long stay whole. */
function wrapped(line: string, columns: number): readonly string[] {
  if (visibleLength(line) <= columns) return [line];
  const plain = stripVTControlCharacters(line);
  const indent = ' '.repeat(plain.length - plain.trimStart().length);
  const lines: string[] = [];
  let current = '';
  // The first spaces are the indentation, even behind what opens a colour.
  for (const word of line.replace(indent, '').split(' ')) {
    const longer = current === '' ? `${indent}${word}` : `${current} ${word}`;
    if (current !== '' && visibleLength(longer) > columns) {
      lines.push(current);
      current = `${indent}${word}`;
    } else current = longer;
  }
  return [...lines, current];
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** `0.42 s`, `12.3 s`. */
export function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** `23 ms`, or seconds from one second on. */
export function gapText(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : secondsText(ms);
}
