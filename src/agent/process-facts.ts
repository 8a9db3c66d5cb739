import { lastWords } from './log-file.ts';
import type { MemberRecord } from './member-record.ts';
import type { ProcessExit } from './runtime.ts';
import type { RunningProcess } from './supervisor.ts';
import type { ProcessFacts } from './wire.ts';

/** Of the log, for `exitFacts` to choose from. */
export const exitReadLines = 100;
const exitLogLines = 20;
const exitLineChars = 1000;

/** What is told of a member's process. `isDown`: it is meant to run. */
export function processFacts(
  { request, restarts, lastExit }: MemberRecord,
  running: RunningProcess | undefined,
  isDown: boolean,
): ProcessFacts {
  return {
    state: running !== undefined ? 'running' : isDown ? 'crashed' : request === null ? 'absent' : 'stopped',
    ...(running === undefined ? {} : { pid: running.identity.pid, startedAtMs: running.startedAtMs }),
    ...(request === null ? {} : { version: request.version, flags: request.flags }),
    restarts,
    ...(lastExit === null ? {} : { lastExit }),
  };
}

/** @param tail of the log, oldest line first */
export function exitFacts(
  exit: ProcessExit,
  tail: readonly string[],
  atMs: number,
): NonNullable<ProcessFacts['lastExit']> {
  return { ...exit, atMs, logTail: lastWords(tail, exitLogLines).map((line) => line.slice(0, exitLineChars)) };
}
