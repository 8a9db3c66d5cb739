import { parseDuration } from '../base/duration.ts';
import { QuorateError } from '../base/errors.ts';
import { parseSize } from '../base/size.ts';

/** Milliseconds of a duration that a schema has accepted already. */
export function durationMs(text: string): number {
  return accepted(parseDuration(text), text);
}

/** Bytes of a size that a schema has accepted already. */
export function sizeBytes(text: string): number {
  return accepted(parseSize(text), text);
}

/** A flag's value as etcd takes it: text, with sizes in bytes. */
export function flagValue(value: string | number | boolean): string {
  const size = typeof value === 'string' ? parseSize(value) : undefined;
  return String(size ?? value);
}

function accepted(value: number | undefined, text: string): number {
  if (value !== undefined) return value;
  throw new QuorateError({
    code: 'unreadable-value',
    kind: 'invalid',
    operation: 'read a specification',
    summary: `${JSON.stringify(text)} is neither a duration nor a size although its schema accepted it`,
  });
}
