const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
  // A year of validity is 365 days, as certificate authorities count it.
  y: 31_536_000_000,
};

/** What a duration may look like in a file that people write. */
const durationPattern = '^([0-9]{1,9})(ms|s|m|h|d|w|y)$';

/** `15m`, `90d`, `5y` → milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = new RegExp(durationPattern).exec(text);
  if (match === null) return undefined;
  const scale = unitMs[match[2] ?? ''];
  return scale === undefined ? undefined : Number(match[1]) * scale;
}

/** Milliseconds → the two largest units: `2d 3h`, `1m 4s`, `850ms`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const units = Object.entries(unitMs)
    .filter(([unit]) => unit !== 'ms' && unit !== 'w')
    .toReversed();
  const parts: string[] = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [unit, size] of units) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    rest -= count * size;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}
