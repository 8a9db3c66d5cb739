import { describeError, QuorateError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';

/** Where a command writes. Results go to `out`, progress and complaints to `err`. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Colours are wanted: a terminal, and NO_COLOR is not set. */
  readonly hasColor: boolean;
  /** Width of standard error now; undefined, or missing, when it is no terminal. */
  readonly columns?: () => number | undefined;
}

export const processTerminal: Terminal = {
  out: (text) => {
    process.stdout.write(text);
  },
  err: (text) => {
    process.stderr.write(text);
  },
  hasColor: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
  columns: () => (process.stderr.isTTY === true ? (process.stderr.columns ?? 80) : undefined),
};

/** What was seen, why it matters, what to do; nothing secret in it. */
export function errorText(error: unknown): string {
  if (!(error instanceof QuorateError)) return redact(`quorate: ${describeError(error)}\n`);
  const remedy = error.remedy === undefined ? '' : `\n  What to do: ${error.remedy.replaceAll('\n', '\n  ')}`;
  return redact(`quorate: ${error.message} [${error.code}]${remedy}\n`);
}
