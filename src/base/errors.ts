import { readableOpenssl } from './openssl-text.ts';

/**
 * What kind of trouble an error is, which decides what follows:
 * - `invalid`: the input is wrong; nothing was done (exit code 3)
 * - `refused`: a rule forbids it; the remedy says which words allow it (exit code 10)
 * - `waiting`: something is not there yet; look again later
 * - `transient`: a fault that may pass; try again with back-off
 * - `stalled`: a person has to act; trying again alone does not help
 */
export type ErrorKind = 'invalid' | 'refused' | 'waiting' | 'transient' | 'stalled';

export interface ErrorFields {
  /** Stable, kebab-case; callers branch on it, never on the message. */
  readonly code: string;
  readonly kind: ErrorKind;
  /** What was being done, for example `start member orders on host b`. */
  readonly operation: string;
  /** One sentence: what was seen and why it matters. */
  readonly summary: string;
  /** What a person can do about it. */
  readonly remedy?: string | undefined;
  readonly cause?: unknown;
}

/** The one error type of Quorate. Every `catch` of a foreign error turns it into this. */
export class QuorateError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly operation: string;
  readonly summary: string;
  readonly remedy: string | undefined;

  constructor(fields: ErrorFields) {
    super(`${fields.operation}: ${fields.summary}`, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'QuorateError';
    this.code = fields.code;
    this.kind = fields.kind;
    this.operation = fields.operation;
    this.summary = fields.summary;
    this.remedy = fields.remedy;
  }
}

/** Text of anything thrown, with the causes behind it, on one line. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  // Eight causes deep is more than any real chain; the bound keeps a cycle from hanging us.
  for (let depth = 0; depth < 8 && current !== undefined && current !== null; depth++) {
    const text = errorText(current);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(': ');
}

function errorText(value: unknown): string {
  if (value instanceof AggregateError && value.message === '')
    return value.errors.map((inner) => errorText(inner)).join('; ');
  if (value instanceof Error) return value.message === '' ? value.name : readableOpenssl(value.message);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Wraps a foreign error; a QuorateError passes unchanged so that its code survives. */
export function asQuorateError(error: unknown, fallback: Omit<ErrorFields, 'summary' | 'cause'>): QuorateError {
  if (error instanceof QuorateError) return error;
  return new QuorateError({ ...fallback, summary: describeError(error), cause: error });
}

/** `ENOENT`, `ECONNREFUSED`… of a Node system error, looking through its causes; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if ('code' in current && typeof current.code === 'string') return current.code;
    current = current.cause;
  }
  return undefined;
}
