import { backUpIfDue, type PeriodicOutcome } from '../apply/periodic-backup.ts';
import { type Clock, formatTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { QuorateError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Schedule } from '../base/schedule.ts';
import { formatSize } from '../base/size.ts';
import { backupSchedule, scheduleProblem } from '../spec/backup-rules.ts';
import { type BackupSubject, type OriginOptions, withSubject } from './backup-place.ts';
import { exitCodes } from './exit-codes.ts';
import { type ProgressReporter, progressReporter } from './progress.ts';
import { stopSignal } from './stop-signal.ts';
import { errorText, type Terminal } from './terminal.ts';

export interface BackupWatchOptions extends OriginOptions {
  /** `15m`, or a cron expression; default that of the spec. */
  readonly every?: string;
}

const firstBackoffMs = 2000;
const longestBackoffMs = 300_000;
/** Others write to the same store: a backup that they took moves the next one. */
const longestPauseMs = 300_000;

/**
 * `quorate backup watch`: takes periodic backups until SIGTERM or SIGINT. A line for each backup, each one left out, and
 * each failure, which is tried again. What is wrong with the options ends it; nothing that may pass does.
 */
export async function backupWatchCommand(options: BackupWatchOptions, terminal: Terminal): Promise<number> {
  const every = options.every === undefined ? undefined : readSchedule(options.every);
  const signal = stopSignal();
  return withSubject(options, async (subject) => {
    const schedule = every ?? subject.schedule;
    if (schedule === undefined) throw noSchedule(subject.cluster);
    const progress = progressReporter(terminal, subject.clock);
    let hasWorked = false;
    for (let failures = 0; !signal.aborted; ) {
      let pauseMs: number;
      try {
        const outcome = await lookOnce(subject, schedule, progress, signal);
        progress.end();
        terminal.out(outcomeText(outcome, subject.clock));
        failures = 0;
        hasWorked = true;
        pauseMs = Math.min(longestPauseMs, Math.max(1000, outcome.dueAtMs - subject.clock.now()));
      } catch (error) {
        progress.end();
        if (signal.aborted) break;
        // Later the options are known to be right: a certificate that is just being renewed comes back.
        if (!hasWorked && error instanceof QuorateError && (error.kind === 'invalid' || error.kind === 'refused'))
          throw error;
        pauseMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(failures++, 20));
        terminal.err(`${formatTime(subject.clock.now())}  again in ${formatDuration(pauseMs)}: ${errorText(error)}`);
      }
      await pause(subject.clock, pauseMs, signal);
    }
    return exitCodes.done;
  });
}

/** Asks etcd each time, since that alone says which backups are of its cluster. */
async function lookOnce(
  { withOrigin, ...place }: BackupSubject,
  schedule: Schedule,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<PeriodicOutcome> {
  const { cluster, store, catalog, clock, commit } = place;
  return withOrigin((origin) =>
    backUpIfDue({
      cluster,
      schedule,
      store,
      catalog,
      clock,
      clusterId: origin.clusterId,
      origin: () => Promise.resolve(origin),
      commit,
      log: silentLogger,
      progress,
      signal,
    }),
  );
}

function outcomeText(outcome: PeriodicOutcome, clock: Clock): string {
  const now = formatTime(clock.now());
  switch (outcome.type) {
    case 'not-due':
      return '';
    case 'unchanged':
      return `${now}  skipped: nothing was written since ${outcome.backup} (revision ${outcome.revision})\n`;
    case 'taken': {
      const { name, proof } = outcome.backup;
      return `${now}  ${name}  ${formatSize(proof?.dbSizeBytes ?? 0)} at revision ${proof?.revision ?? '?'}, verified\n`;
    }
  }
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, signal);
  } catch {
    // Told to stop.
  }
}

function readSchedule(text: string): Schedule {
  const problem = scheduleProblem(text);
  if (problem === undefined) return backupSchedule(text);
  throw new QuorateError({
    code: 'invalid-schedule',
    kind: 'invalid',
    operation: 'read --every',
    summary: problem,
  });
}

function noSchedule(cluster: string): QuorateError {
  return new QuorateError({
    code: 'invalid-schedule',
    kind: 'invalid',
    operation: `watch ${cluster}`,
    summary: 'nothing says how often backups are to be taken',
    remedy: 'Give --every 15m, or --every "0 */6 * * *"; or write backup.every into the spec.',
  });
}
