import type { QuorateError } from '../base/errors.ts';
import { asQuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Lease, LeaseHolder } from '../coordination/coordination.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Plan } from '../plan/plan.ts';
import { CorrectionCounter } from './corrections.ts';
import { type Pass, reconcile } from './reconcile.ts';
import type { DesiredCluster } from './specs.ts';
import { Upkeep } from './upkeep/upkeep.ts';
import type { World } from './world.ts';

/** What the last pass over a cluster came to; `status` shows it. */
export type PassResult =
  | { readonly type: 'pass'; readonly pass: Pass }
  | { readonly type: 'orphaned' | 'no-spec' | 'fighting' }
  | { readonly type: 'held'; readonly holder: string }
  | { readonly type: 'error'; readonly error: QuorateError };

export interface LoopEvents {
  readonly onPlan?: ((cluster: string, plan: Plan, live: LiveState) => void) | undefined;
  readonly onResult?: ((cluster: string, result: PassResult) => void) | undefined;
}

const firstBackoffMs = 1000;
const longestBackoffMs = 60_000;
const longestRetryMs = 600_000;

/**
 * Looks after one cluster: a pass at once when something changed, one every interval anyway, and with
 * back-off of its own while something is wrong, so that a sick cluster slows no other.
 */
export class ClusterLoop {
  readonly #world: World;
  readonly #log: Logger;
  readonly #events: LoopEvents;
  readonly #corrections = new CorrectionCounter();
  readonly #stopping = new AbortController();
  readonly #upkeep: Upkeep;
  #desired: DesiredCluster;
  #wake = new AbortController();
  #failures = 0;
  #lease: Lease | undefined;
  #running: Promise<void> | undefined;

  constructor(world: World, desired: DesiredCluster, events: LoopEvents) {
    this.#world = world;
    this.#desired = desired;
    this.#events = events;
    this.#log = world.log.child({ cluster: desired.name });
    this.#upkeep = new Upkeep({
      chores: world.chores,
      sight: (spec) => world.sight(spec),
      stateDir: world.config.state,
      clock: world.clock,
      log: this.#log,
    });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** A newer commit takes over between two steps of a run. */
  update(desired: DesiredCluster): void {
    const isSame = desired.digest === this.#desired.digest && desired.isOrphaned === this.#desired.isOrphaned;
    this.#desired = desired;
    if (isSame) return;
    // With the next pass it takes up the newer spec.
    this.#upkeep.rest();
    this.#failures = 0;
    this.#wake.abort();
  }

  /** A run that is under way ends after its step; `stop` waits for it. */
  requestStop(): void {
    this.#stopping.abort();
    this.#wake.abort();
    this.#upkeep.rest();
  }

  /** Ends after the step that is under way. */
  async stop(): Promise<void> {
    this.requestStop();
    await this.#running;
    await this.#upkeep.stop();
    await this.#lease?.release();
    this.#lease = undefined;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      const result = await this.pass();
      this.#events.onResult?.(this.#desired.name, result);
      const pauseMs = this.#pauseAfter(result);
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  /** One pass: who may act, then observe → plan → apply → record. */
  async pass(): Promise<PassResult> {
    const desired = this.#desired;
    if (desired.isOrphaned) return { type: 'orphaned' };
    if (desired.spec === undefined) return { type: 'no-spec' };
    if (this.#corrections.isFighting(desired.digest)) return { type: 'fighting' };
    try {
      const lease = await this.#acquire(desired.name);
      if (!lease.held) return { type: 'held', holder: lease.holder };
      // A single pass, as `controller --once` makes them, keeps nothing up.
      if (this.#running !== undefined && !this.#stopping.signal.aborted)
        this.#upkeep.tend({ ...desired, spec: desired.spec }, lease.lost);
      const pass = await reconcile({
        spec: desired.spec,
        commit: desired.commit,
        sight: await this.#world.sight(desired.spec),
        lease,
        stateDir: this.#world.config.state,
        actor: 'controller',
        log: this.#log.child({ commit: desired.commit.slice(0, 12) }),
        shouldStop: () => this.#reasonToStop(desired),
        onPlan: (plan, live) => this.#events.onPlan?.(desired.name, plan, live),
      });
      if (pass.outcome?.outcome === 'done') this.#corrections.add(desired.digest, pass.plan, this.#world.clock.now());
      return { type: 'pass', pass };
    } catch (error) {
      return {
        type: 'error',
        error: asQuorateError(error, {
          code: 'pass-failed',
          kind: 'transient',
          operation: `reconcile ${desired.name}`,
        }),
      };
    }
  }

  /** Kept from pass to pass; taken again, with a higher epoch, when it was lost. */
  async #acquire(cluster: string): Promise<Lease | LeaseHolder> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return this.#lease;
    await this.#lease?.release();
    const lease = await this.#world.coordination.tryAcquire(cluster, 'controller');
    this.#lease = lease.held ? lease : undefined;
    return lease;
  }

  #reasonToStop(desired: DesiredCluster): string | undefined {
    if (this.#stopping.signal.aborted) return 'the controller is stopping';
    if (this.#desired.isOrphaned) return 'its file is gone from Git';
    return desired.digest === this.#desired.digest ? undefined : `commit ${this.#desired.commit.slice(0, 12)} is newer`;
  }

  /** Milliseconds until the next pass. */
  #pauseAfter(result: PassResult): number {
    const { intervalMs } = this.#world.config;
    if (result.type !== 'pass' && result.type !== 'error')
      return result.type === 'held' ? Math.min(2000, intervalMs) : intervalMs;
    const outcome = result.type === 'pass' ? result.pass.outcome?.outcome : undefined;
    // Superseded by a newer spec there is more to do at once; by a lost lease there is not.
    const needsAnother = outcome === 'done' || (outcome === 'superseded' && this.#lease?.lost.aborted === false);
    const isWell = result.type === 'pass' && result.pass.outcome === undefined && result.pass.plan.waits.length === 0;
    if (needsAnother || isWell) this.#failures = 0;
    if (needsAnother) return 0;
    // A refusal stands until the next commit or until the world changes by itself; looking hurts nobody.
    if (isWell) return intervalMs;
    // A wait is cheap to look at again. A run that failed took a backup, so it is tried less and less often.
    const longestMs =
      result.type === 'pass' && result.pass.outcome?.outcome === 'failed'
        ? longestRetryMs
        : Math.min(longestBackoffMs, intervalMs);
    const backoffMs = Math.min(longestMs, firstBackoffMs * 2 ** Math.min(this.#failures, 20));
    this.#failures++;
    return backoffMs;
  }

  async #pause(ms: number): Promise<void> {
    try {
      await this.#world.clock.sleep(ms, this.#wake.signal);
    } catch {
      // Woken: there is something to do.
    }
  }
}
