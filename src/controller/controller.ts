import { randomInt } from 'node:crypto';
import { formatDiagnostic } from '../base/diagnostics.ts';
import { describeError } from '../base/errors.ts';
import { watchRepository } from '../source/watch.ts';
import { ClusterLoop, type LoopEvents, type PassResult } from './cluster-loop.ts';
import { type Desired, openSpecMemory } from './specs.ts';
import { writeStatusFile } from './status-file.ts';
import type { World } from './world.ts';

/**
 * The controller, top to bottom: Git tells of a commit, its specs are loaded, and every cluster has a
 * loop that makes it so (`cluster-loop.ts` for the loop, `reconcile.ts` for one pass).
 */
export async function runController(world: World, signal: AbortSignal, events: LoopEvents = {}): Promise<void> {
  const { repository, log, clock, config } = world;
  const specs = await openSpecMemory(config.state);
  const loops = new Map<string, ClusterLoop>();
  let queue = Promise.resolve();
  let newest: string | undefined;

  async function take(commit: string): Promise<void> {
    const desired = await specs.resolve(await repository.read(commit), true);
    logFindings(world, desired);
    for (const cluster of desired.clusters) {
      const loop = loops.get(cluster.name);
      if (loop !== undefined) {
        loop.update(cluster);
        continue;
      }
      const made = new ClusterLoop(world, cluster, withStatusFile(world, events));
      loops.set(cluster.name, made);
      made.start();
    }
  }

  /** A full disk or a broken read passes; the commit must not be forgotten over it. */
  async function takeUntilDone(commit: string): Promise<void> {
    for (let failures = 0; commit === newest && !signal.aborted; failures++) {
      try {
        return await take(commit);
      } catch (error) {
        log.error({ commit, error: describeError(error) }, 'the commit cannot be used yet');
      }
      await clock.sleep(Math.min(60_000, 1000 * 2 ** Math.min(failures, 6)), signal).catch(() => undefined);
    }
  }

  const watch = watchRepository({
    repository,
    pollMs: config.git.pollMs,
    clock,
    random: () => randomInt(2 ** 32) / 2 ** 32,
    onChange: (commit) => {
      log.info({ commit }, 'new commit');
      newest = commit;
      // One after the other, and a commit that cannot be read leaves everything as it is.
      queue = queue.then(() => takeUntilDone(commit));
    },
    onError: (error) =>
      log.warn(
        { code: error.code, error: error.message },
        'the repository cannot be read; the last good specs stay in force',
      ),
  });
  await aborted(signal);
  log.info({}, 'stopping: steps that are under way are finished first');
  await watch.close();
  await queue;
  await Promise.all([...loops.values()].map((loop) => loop.stop()));
}

/** Every cluster until nothing is left to do for it, or something stands in the way. */
export async function runOnce(
  world: World,
  signal: AbortSignal,
  events: LoopEvents = {},
): Promise<ReadonlyMap<string, PassResult>> {
  const specs = await openSpecMemory(world.config.state);
  const commit = await world.repository.head();
  const desired = await specs.resolve(await world.repository.read(commit), true);
  logFindings(world, desired);
  const observed = withStatusFile(world, events);
  const results = await Promise.all(
    desired.clusters.map(async (cluster) => {
      const loop = new ClusterLoop(world, cluster, observed);
      signal.addEventListener('abort', () => loop.requestStop(), { once: true });
      let result: PassResult = { type: 'no-spec' };
      // A commit needs two or three passes (repair, change, empty plan); eight bounds a fight.
      for (let pass = 0; pass < 8 && !signal.aborted; pass++) {
        result = await loop.pass();
        observed.onResult?.(cluster.name, result);
        if (result.type !== 'pass' || result.pass.outcome?.outcome !== 'done') break;
      }
      await loop.stop();
      return [cluster.name, result] as const;
    }),
  );
  return new Map(results);
}

function withStatusFile(world: World, events: LoopEvents): LoopEvents {
  return {
    onPlan: events.onPlan,
    onResult: (cluster, result) => {
      logResult(world, cluster, result);
      writeStatusFile(world, cluster, result).catch((error: unknown) =>
        world.log.warn({ cluster, error: describeError(error) }, 'the status file could not be written'),
      );
      events.onResult?.(cluster, result);
    },
  };
}

function logFindings(world: World, desired: Desired): void {
  for (const diagnostic of [...desired.diagnostics, ...desired.clusters.flatMap((cluster) => cluster.diagnostics)]) {
    const fields = { code: diagnostic.code, file: diagnostic.file, line: diagnostic.line };
    if (diagnostic.severity === 'error') world.log.error(fields, formatDiagnostic(diagnostic));
    else world.log.warn(fields, formatDiagnostic(diagnostic));
  }
}

function logResult(world: World, cluster: string, result: PassResult): void {
  const log = world.log.child({ cluster });
  if (result.type === 'error')
    log.error({ code: result.error.code, error: result.error.message, remedy: result.error.remedy }, 'the pass failed');
  else if (result.type === 'held') log.info({ holder: result.holder }, 'another controller holds the lease');
  else if (result.type === 'fighting')
    log.error({}, 'the same correction was needed three times; stopped until there is a new commit');
  else if (result.type === 'pass') {
    const { plan, outcome } = result.pass;
    if (outcome?.outcome === 'failed')
      log.error(
        { code: outcome.error?.code, error: outcome.error?.message, remedy: outcome.error?.remedy },
        'the run failed',
      );
    for (const refusal of plan.refusals) log.warn({ code: refusal.code, detail: refusal.detail }, refusal.summary);
    for (const wait of plan.waits) log.info({ code: wait.code, detail: wait.detail }, wait.summary);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
