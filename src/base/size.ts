const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** What a size may look like in a file that people write. */
const sizePattern = '^([0-9]{1,9})(B|KiB|MiB|GiB|TiB)$';

/** `8GiB` → bytes; undefined for anything else. */
export function parseSize(text: string): number | undefined {
  const match = new RegExp(sizePattern).exec(text);
  if (match === null) return undefined;
  const scale = unitBytes[match[2] ?? ''];
  return scale === undefined ? undefined : Number(match[1]) * scale;
}

/** Bytes → `1.5 GiB`, one decimal, binary units. */
export function formatSize(bytes: number): string {
  const units = Object.entries(unitBytes).toReversed();
  const [unit, size] = units.find(([, candidate]) => bytes >= candidate) ?? ['B', 1];
  return unit === 'B' ? `${bytes} B` : `${(bytes / size).toFixed(1)} ${unit}`;
}
