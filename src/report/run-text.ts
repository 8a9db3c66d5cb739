import type { RunEvent } from '../apply/executor.ts';
import type { RunRecord } from '../backup/runs.ts';
import { formatTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { clip, shortCommit, shownInline } from './shown.ts';
import { renderTable } from './table.ts';

/** One line with its line break: `[2/5] add-learner d …`, then `[2/5] add-learner d … done in 0.8 s`. */
export function renderRunEvent(event: Exclude<RunEvent, { type: 'step-transfer' }>): string {
  const { step, of } = event;
  const head = `[${step.id}/${of}] ${step.action} ${shownInline(step.target)} …`;
  switch (event.type) {
    case 'step-started':
      return `${head}\n`;
    case 'step-progress':
      return `${head} ${shownInline(event.text)}\n`;
    case 'step-ended': {
      const { startedAtMs, endedAtMs, outcome, error } = event.result;
      const why = error === undefined ? '' : `: ${shownInline(error.summary)} [${shownInline(error.code)}]`;
      return `${head} ${outcome === 'done' ? 'done in' : 'failed after'} ${tookText(endedAtMs - startedAtMs)}${why}\n`;
    }
  }
}

/** `0.8 s` below a minute, where tenths tell; `2m 5s` above. */
function tookText(ms: number): string {
  // The wall clock may have been set back meanwhile.
  const tookMs = Math.max(0, ms);
  return tookMs < 60_000 ? `${(tookMs / 1000).toFixed(1)} s` : formatDuration(tookMs);
}

/** Errors are long; the whole text is in the JSON. */
const maxErrorLength = 160;

/** Runs as a table, newest first. */
export function renderRuns(runs: readonly RunRecord[]): string {
  if (runs.length === 0) return 'No runs are on record.\n';
  return renderTable(
    ['TIME', 'OUTCOME', 'COMMIT', 'ACTOR', 'DURATION', 'STEPS', 'ERROR'],
    runs
      .toSorted((a, b) => b.startedAtMs - a.startedAtMs)
      .map((run) => [
        formatTime(run.startedAtMs),
        run.outcome,
        shortCommit(run.commit),
        shownInline(run.actor),
        tookText(run.endedAtMs - run.startedAtMs),
        `${run.steps.filter((step) => step.outcome === 'done').length}/${run.steps.length} done`,
        run.error === undefined
          ? ''
          : clip(`${shownInline(run.error.summary)} [${shownInline(run.error.code)}]`, maxErrorLength),
      ]),
  );
}
