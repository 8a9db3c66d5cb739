import { randomBytes } from 'node:crypto';
import { applyPlan, type Outcome, type RunEvent } from '../apply/executor.ts';
import { openJournal, recoverJournals } from '../apply/journal.ts';
import { settleRecord } from '../apply/settle-record.ts';
import { probeStore } from '../backup/probe-store.ts';
import type { RunRecord } from '../backup/runs.ts';
import type { ObjectStore } from '../backup/store.ts';
import { formatTime } from '../base/clock.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Lease } from '../coordination/coordination.ts';
import type { LiveState } from '../observe/live-state.ts';
import { observe } from '../observe/observe.ts';
import type { Sight } from '../observe/sight.ts';
import { actionsWithoutBackup } from '../plan/backup.ts';
import type { Plan } from '../plan/plan.ts';
import { plan } from '../plan/planner.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

export interface ReconcileInput {
  readonly spec: ClusterSpec;
  readonly commit: string;
  readonly sight: Sight;
  readonly lease: Lease;
  readonly stateDir: string;
  readonly actor: string;
  readonly log: Logger;
  readonly shouldStop: () => string | undefined;
  readonly onPlan?: (plan: Plan, live: LiveState) => void;
  readonly onEvent?: (event: RunEvent) => void;
  /** Refuses to go on when the plan made now is not this one. */
  readonly approvedDigest?: string | undefined;
}

/** One pass over one cluster. `outcome` is missing when there was nothing to apply. */
export interface Pass {
  readonly live: LiveState;
  readonly plan: Plan;
  readonly outcome?: Outcome | undefined;
}

/** observe → plan → apply → record, once. Throws only for faults outside of the run, for example a full disk. */
export async function reconcile(input: ReconcileInput): Promise<Pass> {
  const { spec, sight, commit } = input;
  await recoverJournal(input);
  const live = await observe(spec, sight);
  const made = plan(spec, live, commit);
  input.onPlan?.(made, live);
  if (input.approvedDigest !== undefined && input.approvedDigest !== made.digest) throw staleApproval(input, made);
  if (!spec.suspend) await settle(input, live);
  if (!made.applyable || spec.suspend) return { live, plan: made };
  const outcome = await run(input, made);
  return { live, plan: made, outcome };
}

/** Writes down what is seen, also beside a refusal. A store that is away stops no repair; it shows in the plan. */
async function settle(input: ReconcileInput, live: LiveState): Promise<void> {
  if (!live.record.known) return;
  try {
    await settleRecord(input.spec, live, input.sight.store);
  } catch (error) {
    input.log.warn({ error: describeError(error) }, 'the record could not be written yet');
  }
}

async function run(input: ReconcileInput, made: Plan): Promise<Outcome> {
  const { spec, sight, lease } = input;
  const startedAtMs = sight.clock.now();
  const runId = `${formatTime(startedAtMs)}-${randomBytes(3).toString('hex')}`;
  const log = input.log.child({ run: runId });
  const journal = await openJournal(input.stateDir, spec.name, runId);
  // Starting a stopped member or renewing a leaf needs no store, so a store that is away does not prevent it.
  if (made.steps.some((step) => !actionsWithoutBackup.has(step.action))) await checkStore(sight.store);
  const record = (outcome: RunRecord['outcome'], steps: Outcome['steps'], error?: QuorateError): RunRecord => ({
    formatVersion: '1.0',
    cluster: spec.name,
    commit: made.commit,
    digest: made.digest,
    actor: input.actor,
    epoch: lease.epoch,
    startedAtMs,
    endedAtMs: sight.clock.now(),
    outcome,
    steps,
    ...(error === undefined ? {} : { error: { code: error.code, summary: error.message } }),
  });
  log.info({ digest: made.digest, steps: made.steps.length }, 'run begins');
  await journal.write(record('interrupted', []));
  const steps: Outcome['steps'][number][] = [];
  const outcome = await applyPlan({
    plan: made,
    spec,
    sight,
    lease,
    runId,
    log,
    shouldStop: input.shouldStop,
    onEvent: (event) => {
      if (event.type === 'step-ended') steps.push(event.result);
      input.onEvent?.(event);
    },
    onStepEnded: () => journal.write(record('interrupted', steps)),
  });
  log.info({ outcome: outcome.outcome, error: outcome.error?.message }, 'run ends');
  const kind = outcome.outcome === 'stale' ? 'superseded' : outcome.outcome;
  try {
    await journal.finish(record(kind, outcome.steps, outcome.error), sight.store);
  } catch (error) {
    // The journal stays; the next pass files it.
    log.warn({ error: describeError(error) }, 'the record of the run could not be stored yet');
  }
  return outcome;
}

/** Stores that were seen to honour conditional writes; without them two writers of the record could both win. */
const checkedStores = new WeakSet<ObjectStore>();

async function checkStore(store: ObjectStore): Promise<void> {
  if (checkedStores.has(store)) return;
  await probeStore(store);
  checkedStores.add(store);
}

/** Files what is left of runs whose process died. */
async function recoverJournal(input: ReconcileInput): Promise<void> {
  try {
    for (const left of await recoverJournals(input.stateDir, input.spec.name, input.sight.store))
      input.log.warn({ startedAtMs: left.startedAtMs, steps: left.steps.length }, 'an earlier run was interrupted');
  } catch (error) {
    input.log.warn({ error: describeError(error) }, 'the record of an earlier run could not be stored yet');
  }
}

function staleApproval(input: ReconcileInput, made: Plan): QuorateError {
  return new QuorateError({
    code: 'plan-stale',
    kind: 'waiting',
    operation: `apply ${input.spec.name}`,
    summary: `the approved plan is ${input.approvedDigest?.slice(0, 19)}…, the one that is right now is ${made.digest.slice(0, 19)}…`,
    remedy: 'Make the plan again and look at it.',
  });
}
