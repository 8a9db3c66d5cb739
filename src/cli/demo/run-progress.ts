import { QuorateError } from '../../base/errors.ts';
import type { LogEntry } from './controller-log.ts';
import { type Stage, secondsText } from './stage.ts';

/** Turns the log lines of one commit's run into lines for people. */
export class RunProgress {
  /** When the run was over; undefined until then. */
  doneAtMs: number | undefined;
  readonly #stage: Stage;
  readonly #commit: string;
  #steps = 0;
  #beganAtMs = 0;

  constructor(stage: Stage, commit: string) {
    this.#stage = stage;
    this.#commit = commit.slice(0, 12);
  }

  /** Throws `run-failed`: in a demo nothing may go wrong, although the controller would try again. */
  take(entry: LogEntry): void {
    if (entry.commit !== this.#commit) return;
    const place = `${entry.step.padStart(String(this.#steps).length)}/${this.#steps}  `;
    const what = `${entry.action} ${entry.target}`;
    if (entry.message === 'run begins') {
      this.#steps = entry.steps;
      this.#stage.say('');
    } else if (entry.message === 'step begins') {
      this.#beganAtMs = entry.atMs;
      this.#stage.doing(`${place}${what}`);
    } else if (entry.message === 'step is done') {
      const took = this.#stage.palette.dim(secondsText(entry.atMs - this.#beganAtMs));
      this.#stage.say(`${this.#stage.palette.green('✓')} ${place}${what.padEnd(28)} ${took}`, 2);
      this.#stage.doing('looking before the next step');
    } else if (entry.message === 'run ends') this.#end(entry);
  }

  #end(entry: LogEntry): void {
    if (entry.outcome === 'done') this.doneAtMs = entry.atMs;
    else if (entry.outcome === 'failed')
      throw new QuorateError({
        code: 'run-failed',
        kind: 'stalled',
        operation: `apply commit ${this.#commit}`,
        summary: entry.error,
      });
  }
}
