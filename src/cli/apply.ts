import { userInfo } from 'node:os';
import { QuorateError } from '../base/errors.ts';
import { type Pass, reconcile } from '../controller/reconcile.ts';
import type { World } from '../controller/world.ts';
import { renderPlanText } from '../report/plan-text.ts';
import { renderRunEvent } from '../report/run-text.ts';
import { desiredAt, type SelectedCluster, select, withWorld } from './context.ts';
import { exitCodeOf, exitCodes, worst } from './exit-codes.ts';
import { readPlans } from './plan.ts';
import { progressReporter } from './progress.ts';
import { stopSignal } from './stop-signal.ts';
import { errorText, type Terminal } from './terminal.ts';

export interface ApplyOptions {
  readonly config?: string;
  readonly ref?: string;
  readonly cluster?: string;
  readonly plan?: string;
}

/** `quorate apply`: one plan for each cluster, made, shown and applied. With `--plan`, only if it is still the right one. */
export async function applyCommand(options: ApplyOptions, terminal: Terminal): Promise<number> {
  const approved = options.plan === undefined ? undefined : await readPlans(options.plan);
  const stop = stopSignal();
  return withWorld(options.config, async (world) => {
    const desired = await desiredAt(world, options.ref);
    const clusters = select(desired, options.cluster).filter((cluster) => !cluster.isOrphaned);
    const codes: number[] = [];
    for (const cluster of clusters) {
      const digest = approved?.find((plan) => plan.cluster === cluster.name)?.digest;
      if (approved !== undefined && digest === undefined) continue;
      codes.push(await applyOne(world, cluster, digest, stop, terminal));
    }
    if (approved !== undefined && codes.length === 0) {
      throw new QuorateError({
        code: 'plan-stale',
        kind: 'waiting',
        operation: 'apply',
        summary: 'the plan names no cluster of this commit',
        remedy: 'Make the plan again.',
      });
    }
    return worst(codes);
  });
}

async function applyOne(
  world: World,
  cluster: SelectedCluster,
  approvedDigest: string | undefined,
  stop: AbortSignal,
  terminal: Terminal,
): Promise<number> {
  const { spec } = cluster;
  if (spec.suspend) {
    terminal.err(`${spec.name}: suspended in the spec (suspend: true); nothing is changed\n`);
    return exitCodes.suspended;
  }
  const lease = await world.coordination.tryAcquire(spec.name, 'apply');
  if (!lease.held) {
    terminal.err(`${spec.name}: another run holds the lease: ${lease.holder}\n`);
    return exitCodes.held;
  }
  const progress = progressReporter(terminal, world.clock);
  try {
    const pass = await reconcile({
      spec,
      commit: cluster.commit,
      sight: await world.sight(spec),
      lease,
      stateDir: world.config.state,
      actor: userInfo().username,
      log: world.log,
      approvedDigest,
      shouldStop: () => (stop.aborted ? 'interrupted from the terminal' : undefined),
      onPlan: (made) => terminal.out(renderPlanText(made, { hasColor: terminal.hasColor })),
      onEvent: (event) => {
        if (event.type === 'step-transfer') return progress(event.transfer);
        progress.end();
        terminal.err(renderRunEvent(event));
      },
    });
    return exitCodeOfPass(pass, terminal);
  } catch (error) {
    terminal.err(errorText(error));
    return exitCodeOf(error);
  } finally {
    progress.end();
    await lease.release();
  }
}

function exitCodeOfPass({ plan, outcome }: Pass, terminal: Terminal): number {
  if (outcome?.error !== undefined) {
    terminal.err(errorText(outcome.error));
    return exitCodeOf(outcome.error);
  }
  if (plan.refusals.length > 0) return exitCodes.refused;
  // Something could not be seen: not done, not refused either.
  return plan.waits.length > 0 && outcome === undefined ? exitCodes.error : exitCodes.done;
}
