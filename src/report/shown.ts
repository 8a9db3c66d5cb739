import { redact } from '../base/redact.ts';

/**
 * Text from specs, logs and other machines as people may be shown it: no secrets, and nothing that a
 * terminal obeys or that reorders what is read. Line breaks stay.
 */
export function shown(text: string): string {
  return redact(text)
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll('\t', '  ')
    .replaceAll(/(?!\n)[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu, '\ufffd');
}

/** The same on one line. */
export function shownInline(text: string): string {
  return shown(text)
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** At most `max` UTF-16 units; what is cut ends with `…`. */
export function clip(text: string, max: number): string {
  if (text.length <= max) return text;
  // No half of a surrogate pair stays behind.
  return `${text.slice(0, Math.max(0, max - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** Every line moved to the right; empty lines stay empty. */
export function indented(text: string, by: number): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `${' '.repeat(by)}${line}`))
    .join('\n');
}

/** `1 step`, `2 steps`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** First digits of a commit id, enough to recognise it. */
export function shortCommit(commit: string): string {
  return clipHex(commit, 12);
}

function clipHex(text: string, length: number): string {
  return /^[0-9a-f]+$/.test(text) ? text.slice(0, length) : clip(shownInline(text), length);
}

/** A value of a spec or of the live state on one line. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return '(none)';
  return shownInline(typeof value === 'string' ? value : JSON.stringify(value));
}
