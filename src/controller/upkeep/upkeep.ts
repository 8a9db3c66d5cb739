import { readRecord } from '../../backup/record.ts';
import type { Clock } from '../../base/clock.ts';
import { asQuorateError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Sight } from '../../observe/sight.ts';
import type { ClusterSpec } from '../../spec/cluster-spec.ts';
import type { Chore } from './chore.ts';

export interface UpkeepOptions {
  readonly chores: readonly Chore[];
  readonly sight: (spec: ClusterSpec) => Promise<Sight>;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the cluster is to be, as far as chores care. */
export interface UpkeepTarget {
  readonly spec: ClusterSpec;
  /** Full commit id. */
  readonly commit: string;
  /** Changes when the spec does. */
  readonly digest: string;
}

/** A chore that wants to be asked again at once is asked after a second, so that none can spin. */
const shortestPauseMs = 1000;
const longestPauseMs = 3_600_000;
const firstBackoffMs = 10_000;
const longestBackoffMs = 600_000;
/** How soon a cluster is looked at again whose operation in progress must come to its end first. */
const operationPauseMs = 30_000;

interface Round {
  readonly target: UpkeepTarget;
  readonly lost: AbortSignal;
  readonly over: AbortController;
}

/**
 * Runs the chores of one cluster one after another, beside the passes: a backup may take longer than a repair can
 * wait. It goes on while the lease is held, also for a suspended cluster, since a chore changes nothing in it; not
 * while the record tells of an operation, such as a restore. A chore that fails is logged and tried again later.
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  #round: Round | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Begins, or goes on. A newer spec or another lease ends the chore that is under way. */
  tend(target: UpkeepTarget, lost: AbortSignal): void {
    if (this.#options.chores.length === 0) return;
    if (this.#round?.target.digest === target.digest && this.#round.lost === lost) return;
    this.rest();
    const round: Round = { target, lost, over: new AbortController() };
    this.#round = round;
    // The chore before has to be over: two backups at once would only be slower.
    this.#running = this.#running.then(() => this.#run(round));
  }

  /** Ends the chore that is under way; `stop` waits for it. */
  rest(): void {
    this.#round?.over.abort();
    this.#round = undefined;
  }

  async stop(): Promise<void> {
    this.rest();
    await this.#running;
  }

  async #run({ target, lost, over }: Round): Promise<void> {
    const { clock, chores } = this.#options;
    const signal = AbortSignal.any([lost, over.signal]);
    const turns = chores.map((chore) => new Turn(chore));
    while (!signal.aborted) {
      for (const turn of turns) {
        if (signal.aborted) return;
        if (turn.dueAtMs <= clock.monotonic())
          turn.dueAtMs = clock.monotonic() + (await this.#take(turn, target, signal));
      }
      const nextMs = Math.min(...turns.map((turn) => turn.dueAtMs)) - clock.monotonic();
      try {
        await clock.sleep(Math.max(0, nextMs), signal);
      } catch {
        // Ended: the loop sees it.
      }
    }
  }

  /** Never rejects. Milliseconds until the chore's next turn. */
  async #take(turn: Turn, target: UpkeepTarget, signal: AbortSignal): Promise<number> {
    const { chore } = turn;
    const log = this.#options.log.child({ chore: chore.name, commit: target.commit.slice(0, 12) });
    try {
      const sight = await this.#options.sight(target.spec);
      const stored = await readRecord(sight.store, target.spec.name);
      if (stored !== null && stored.record.operation !== null) return operationPauseMs;
      const { stateDir } = this.#options;
      const pauseMs = await chore.run({ spec: target.spec, commit: target.commit, sight, stateDir, log, signal });
      turn.failures = 0;
      return Math.min(longestPauseMs, Math.max(shortestPauseMs, pauseMs));
    } catch (cause) {
      if (signal.aborted) return 0;
      const operation = `${chore.name} of ${target.spec.name}`;
      const error = asQuorateError(cause, { code: 'chore-failed', kind: 'transient', operation });
      const backoffMs = Math.min(longestBackoffMs, firstBackoffMs * 2 ** Math.min(turn.failures, 20));
      turn.failures++;
      const fields = { code: error.code, error: error.message, remedy: error.remedy, retryInMs: backoffMs };
      log.warn(fields, 'a chore failed; it is tried again');
      return backoffMs;
    }
  }
}

class Turn {
  readonly chore: Chore;
  /** By the monotonic clock. */
  dueAtMs = Number.NEGATIVE_INFINITY;
  failures = 0;

  constructor(chore: Chore) {
    this.chore = chore;
  }
}
