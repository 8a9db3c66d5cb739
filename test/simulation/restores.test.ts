import fc from 'fast-check';
import { expect, it } from 'vitest';
import { converge } from '../support/model/converge.ts';
import { endStateOf } from '../support/model/end-state.ts';
import { takeModelBackup } from '../support/model/model-backup.ts';
import { modelSpec, type ShortSpec } from '../support/model/model-spec.ts';
import type { ModelWorld } from '../support/model/world.ts';
import {
  bounded,
  clusterOf,
  type Event,
  event,
  happen,
  members,
  mend,
  names,
  specOf,
  timeoutMs,
  useStateDirs,
  withStateDir,
} from './random-worlds.ts';

useStateDirs();

/** What befalls the cluster before the commit. `most`: a quorum of its disks is gone. */
const disasters = ['none', 'none', 'most', 'all', 'machines'] as const;
type Disaster = (typeof disasters)[number];

function befall(world: ModelWorld, disaster: Disaster, count: number): void {
  const hosts = names.slice(0, disaster === 'most' ? Math.trunc(count / 2) + 1 : count);
  for (const name of hosts) {
    if (disaster === 'machines') world.replaceHost(name);
    else if (disaster !== 'none') world.wipe(name);
  }
}

const words = fc.record({
  // The id that has formed the cluster is never good again.
  id: fc.constantFrom('again', 'again', 'again', 'first'),
  /** Its place among the backups taken; one that is not there stands for a name that nobody knows. */
  backup: fc.constantFrom('latest' as const, 0, 1, 2),
  discard: fc.constantFrom('right' as const, 'wrong' as const, 'none' as const),
});
type Words = typeof words extends fc.Arbitrary<infer T> ? T : never;

const fault = fc.record({
  at: fc.nat(150),
  type: fc.constantFrom('crash' as const, 'fail' as const, 'lost-answer' as const),
});

function commitOf(
  count: number,
  { id, backup, discard }: Words,
  taken: readonly string[],
  clusterId: string,
): ShortSpec {
  const name = backup === 'latest' ? backup : (taken[backup] ?? '2020-01-01T00:00:00Z-000000');
  const discardData = { right: clusterId, wrong: 'f0f0f0f0f0f0f0f0', none: undefined }[discard];
  return {
    ...specOf({ members: count, cordoned: [], heartbeatMs: 100, zones: 0 }),
    bootstrap: { id, backup: name, discardData },
  };
}

const wasRestored = (world: ModelWorld): boolean =>
  Object.values(world.state.hosts).some(({ member }) => member.latched?.bootstrapId === 'again');

/** Words that can come to nothing, whatever happens. */
function isRefused({ id, backup, discard }: Words, taken: number): boolean {
  const isThere = backup === 'latest' ? taken > 0 : backup < taken;
  return id === 'first' || !isThere || discard === 'wrong';
}

/** What is alive goes by its name alone, and only for a backup that has one; what is dead needs no name. */
function isGranted(disaster: Disaster, said: Words, taken: number): boolean {
  if (isRefused(said, taken)) return false;
  return disaster !== 'none' || (said.discard === 'right' && said.backup !== 'latest');
}

it(
  'restores by words alone, whatever befalls cluster and controller, or leaves everything as it was',
  async () => {
    let restores = 0;
    const property = fc.asyncProperty(
      members,
      fc.nat(2),
      fc.constantFrom(...disasters),
      words,
      fc.array(fault, { maxLength: 2 }),
      fc.array(event, { maxLength: 2 }),
      async (count, backups, disaster, said, faults, between: readonly Event[]) => {
        const world = await clusterOf(count);
        const clusterId = world.serving()?.clusterId ?? '';
        const plain = modelSpec(specOf({ members: count, cordoned: [], heartbeatMs: 100, zones: 0 }));
        await withStateDir(async (stateDir) => {
          const taken: string[] = [];
          for (let number = 0; number < backups; number++) {
            taken.push(await takeModelBackup(world, plain, stateDir));
            world.put(2);
            world.advanceTo(world.nowMs + 60_000);
          }
          befall(world, disaster, count);
          world.advanceTo(world.nowMs + 10_000);
          const spec = modelSpec(commitOf(count, said, taken, clusterId));
          for (const [index, struck] of faults.entries()) {
            await converge(world, spec, { stateDir, fault: struck, maxPasses: 2 });
            const happened = between[index];
            if (happened !== undefined) happen(world, happened);
          }
          mend(world);
          const end = await converge(world, spec, { stateDir, maxPasses: 24 });
          const { violations, members: reached, running } = endStateOf(world);
          const refusals = end.last?.plan.refusals.map(({ code }) => code) ?? [];
          expect({ violations, error: end.error?.code }).toEqual({ violations: [], error: undefined });
          // It comes to its end, or a person is told what to say.
          expect({ isConverged: end.isConverged, refusals }).toEqual({
            isConverged: refusals.length === 0,
            refusals,
          });
          const atRest = end.isConverged ? [reached.length, running] : [count, reached];
          expect(atRest).toEqual([count, reached]);
          const isRestored = wasRestored(world);
          restores += Number(isRestored);
          const archives = Object.values(world.state.hosts).flatMap(({ member }) => member.archives);
          expect(isRestored ? 0 : archives.length).toBe(0);
          expect(isRestored && isRefused(said, taken.length)).toBe(false);
          // An outage on top of it may make a cluster that is alive one that is dead.
          if (faults.length > 0 && between.length > 0) return;
          const isExpected = isGranted(disaster, said, taken.length);
          expect({ isRestored, isOldAlive: world.serving()?.clusterId === clusterId }).toEqual({
            isRestored: isExpected,
            isOldAlive: !isExpected && disaster === 'none',
          });
        });
      },
    );
    await fc.assert(property, bounded(120));
    // Not one of many refusals.
    expect(restores).toBeGreaterThan(0);
  },
  timeoutMs,
);
