import { type ErrorKind, QuorateError } from '../base/errors.ts';

/** What `quorate` ends with; scripts and pull-request checks branch on it. */
export const exitCodes = {
  done: 0,
  error: 1,
  /** `plan --detailed-exitcode`: there is something to do. */
  changesPending: 2,
  invalidInput: 3,
  refused: 10,
  stale: 11,
  /** Another run holds the cluster. */
  held: 12,
  /** Suspended. */
  suspended: 13,
} as const;

const byKind: Readonly<Record<ErrorKind, number>> = {
  invalid: exitCodes.invalidInput,
  refused: exitCodes.refused,
  waiting: exitCodes.error,
  transient: exitCodes.error,
  stalled: exitCodes.error,
};

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof QuorateError)) return exitCodes.error;
  return error.code === 'plan-stale' ? exitCodes.stale : byKind[error.kind];
}

/** An error of any kind weighs more than a wait for another run; nothing to do weighs nothing. */
export function worst(codes: readonly number[]): number {
  const order: readonly number[] = [
    exitCodes.done,
    exitCodes.changesPending,
    exitCodes.suspended,
    exitCodes.held,
    exitCodes.stale,
    exitCodes.refused,
    exitCodes.invalidInput,
    exitCodes.error,
  ];
  return codes.toSorted((a, b) => order.indexOf(b) - order.indexOf(a))[0] ?? exitCodes.done;
}
