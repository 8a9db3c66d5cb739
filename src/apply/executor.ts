import { asQuorateError, describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Transfer } from '../base/transfer.ts';
import { waitUntil } from '../base/wait.ts';
import type { Lease } from '../coordination/coordination.ts';
import type { LiveState } from '../observe/live-state.ts';
import { observe } from '../observe/observe.ts';
import type { Sight } from '../observe/sight.ts';
import { fingerprintOf } from '../plan/fingerprint.ts';
import type { Action, Plan, Step } from '../plan/plan.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { guard } from './guards.ts';
import { settleRecord } from './settle-record.ts';
import { stepModules } from './steps/index.ts';

export interface ApplyInput {
  readonly plan: Plan;
  readonly spec: ClusterSpec;
  readonly sight: Sight;
  readonly lease: Lease;
  readonly runId: string;
  readonly log: Logger;
  /** Asked between two steps; a reason ends the run there (a newer commit, a stop of the controller). */
  readonly shouldStop: () => string | undefined;
  readonly onEvent: (event: RunEvent) => void;
  /** Awaited after each step: what it writes is durable before the next one begins. */
  readonly onStepEnded: () => Promise<void>;
}

export type RunEvent =
  | { readonly type: 'step-started'; readonly step: Step; readonly of: number }
  | { readonly type: 'step-progress'; readonly step: Step; readonly of: number; readonly text: string }
  | { readonly type: 'step-transfer'; readonly step: Step; readonly of: number; readonly transfer: Transfer }
  | { readonly type: 'step-ended'; readonly step: Step; readonly of: number; readonly result: StepResult };

export interface StepResult {
  readonly id: string;
  readonly action: string;
  readonly target: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: 'done' | 'failed';
  readonly error?: { readonly code: string; readonly summary: string } | undefined;
}

/** Success and failure share one shape. */
export interface Outcome {
  readonly outcome: 'done' | 'failed' | 'stale' | 'superseded';
  readonly steps: readonly StepResult[];
  readonly error?: QuorateError | undefined;
  /** Name of the backup that this run took. */
  readonly backup?: string | undefined;
}

/**
 * For each step: look again, guard, act, wait until what it ensures is seen from outside. The first
 * failure ends the run; nothing is resumed from memory, the next loop plans from what is there.
 */
export async function applyPlan(input: ApplyInput): Promise<Outcome> {
  const { plan, spec, sight } = input;
  const run = new Run(input);
  let live = await observe(spec, sight);
  if (fingerprintOf(spec, live) !== plan.fingerprint) return run.end('stale', staleError(plan));
  const fence = await raiseFence(input, live);
  if (fence !== undefined) return run.end('failed', fence);
  let failed: QuorateError | undefined;
  for (const step of plan.steps) {
    const reason = input.lease.lost.aborted ? 'the lease was lost' : input.shouldStop();
    if (reason !== undefined) return run.end('superseded', interrupted(plan, reason));
    if (run.steps.length > 0) live = await observe(spec, sight);
    const isIndependent = independent.has(step.action);
    // One host that cannot be started or given its leaf must not keep the others from theirs.
    if (failed !== undefined && !isIndependent) break;
    const error = await run.step(step, live);
    failed ??= error;
    if (error !== undefined && !isIndependent) break;
  }
  return failed === undefined ? run.end('done') : run.end('failed', failed);
}

/**
 * Tells every reachable agent of this run before its first step, so that an older one is found out by its guards
 * even where it would go straight to etcd. Gives the error when we are the older one.
 */
async function raiseFence(input: ApplyInput, live: LiveState): Promise<QuorateError | undefined> {
  const { sight, lease, runId, spec } = input;
  const claims = live.hosts
    .filter((host) => host.facts.known)
    .map((host) => sight.agent(host).commands(spec.name, { epoch: lease.epoch, runId }).claim());
  for (const claim of await Promise.allSettled(claims)) {
    if (claim.status === 'fulfilled') continue;
    const error: unknown = claim.reason;
    // An agent that went away is dealt with by the step that needs it.
    if (error instanceof QuorateError && error.code === 'stale-epoch') return error;
  }
  return undefined;
}

/** Steps of one host that nothing on another host depends on. */
const independent: ReadonlySet<Action> = new Set(['start-member', 'issue-certificate']);

class Run {
  readonly steps: StepResult[] = [];
  readonly #input: ApplyInput;
  #backup: { readonly name: string; readonly clusterId: string } | null = null;

  constructor(input: ApplyInput) {
    this.#input = input;
  }

  async step(step: Step, live: LiveState): Promise<QuorateError | undefined> {
    const { sight, onEvent, plan } = this.#input;
    const startedAtMs = sight.clock.now();
    onEvent({ type: 'step-started', step, of: plan.steps.length });
    let error: QuorateError | undefined;
    try {
      await this.#act(step, live);
    } catch (cause) {
      error = asQuorateError(cause, {
        code: 'step-failed',
        kind: 'transient',
        operation: `${step.action} ${step.target}`,
      });
    }
    const result: StepResult = {
      id: step.id,
      action: step.action,
      target: step.target,
      startedAtMs,
      endedAtMs: sight.clock.now(),
      outcome: error === undefined ? 'done' : 'failed',
      ...(error === undefined ? {} : { error: { code: error.code, summary: error.message } }),
    };
    this.steps.push(result);
    onEvent({ type: 'step-ended', step, of: plan.steps.length, result });
    await this.#input.onStepEnded();
    return error;
  }

  async #act(step: Step, live: LiveState): Promise<void> {
    const { spec, sight, lease, runId, onEvent, plan } = this.#input;
    const log = this.#input.log.child({ step: step.id, action: step.action, target: step.target });
    guard({ step, spec, live, backup: this.#backup, epoch: lease.epoch });
    const module = stepModules[step.action];
    const context = {
      spec,
      commit: plan.commit,
      runId,
      epoch: lease.epoch,
      sight,
      log,
      live,
      signal: lease.lost,
      progress: (text: string) => onEvent({ type: 'step-progress', step, of: plan.steps.length, text }),
      transfer: (transfer: Transfer) => onEvent({ type: 'step-transfer', step, of: plan.steps.length, transfer }),
      backedUp: (backup: { readonly name: string; readonly clusterId: string }) => {
        this.#backup = backup;
      },
    };
    log.info({}, 'step begins');
    await module.act(step, context);
    let missing: string | undefined;
    const seen = await waitUntil(
      sight.clock,
      { timeoutMs: module.timeoutMs, intervalMs: 25, signal: lease.lost },
      async () => {
        const now = await observe(spec, sight, live);
        missing = module.missing(step, now, context);
        return missing === undefined ? now : undefined;
      },
    );
    if (!seen.seen) {
      throw new QuorateError({
        code: 'step-not-seen',
        kind: 'transient',
        operation: `${step.action} ${step.target}`,
        summary: `was done, but ${module.timeoutMs / 1000} s later ${missing ?? 'its effect is not seen'}`,
        remedy: 'Look at `quorate logs` of that host. The next loop plans again from what is there.',
      });
    }
    // From now on the record tells what this step made true; a crash before it is mended by the next loop.
    try {
      await settleRecord(spec, seen.value, sight.store);
    } catch (error) {
      // These two go on without the store; every other step needs a witness of what it did.
      if (step.action !== 'start-member' && step.action !== 'issue-certificate') throw error;
      log.warn({ error: describeError(error) }, 'the record could not be written yet');
    }
    log.info({}, 'step is done');
  }

  end(outcome: Outcome['outcome'], error?: QuorateError): Outcome {
    return {
      outcome,
      steps: this.steps,
      ...(error === undefined ? {} : { error }),
      ...(this.#backup === null ? {} : { backup: this.#backup.name }),
    };
  }
}

function staleError(plan: Plan): QuorateError {
  return new QuorateError({
    code: 'plan-stale',
    kind: 'waiting',
    operation: `apply ${plan.cluster}`,
    summary: `the cluster has moved since the plan was made (${plan.fingerprint.slice(0, 19)}… no longer holds)`,
    remedy: 'Make the plan again and look at it.',
  });
}

function interrupted(plan: Plan, reason: string): QuorateError {
  return new QuorateError({
    code: 'run-superseded',
    kind: 'waiting',
    operation: `apply ${plan.cluster}`,
    summary: reason,
  });
}
