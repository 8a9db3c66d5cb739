import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { observe } from '../../src/observe/observe.ts';
import { plan } from '../../src/plan/planner.ts';
import { commitOf, ModelController, nextLease } from '../support/model/controller.ts';
import { converge, makeStateDir } from '../support/model/converge.ts';
import { endStateOf } from '../support/model/end-state.ts';
import { modelSpec, type ShortSpec } from '../support/model/model-spec.ts';
import { prefixFaults } from '../support/model/prefix-faults.ts';
import { leaderOf, votersOf } from '../support/model/raft.ts';
import { ModelWorld } from '../support/model/world.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const;
/** fast-check prints the seed of a failure; `QUORATE_SEED` runs it again, or others. */
const seed = Number(process.env['QUORATE_SEED'] ?? 20_261_120);
const bounded = (numRuns: number): fc.Parameters<unknown> => ({
  seed,
  numRuns,
  // Slow machines check fewer worlds rather than fail.
  plugins: [fc.interruptAfterTimeLimit(5_000)],
});
const timeoutMs = 60_000;

let folder: string;
beforeAll(async () => {
  folder = await makeStateDir();
});
afterAll(async () => {
  // A run that the time limit cut off is still under way: nothing is removed beneath it.
  await Promise.allSettled(underWay);
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}, timeoutMs);

const underWay = new Set<Promise<unknown>>();

async function withStateDir<T>(work: (stateDir: string) => Promise<T>): Promise<T> {
  const stateDir = await mkdtemp(join(folder, 'run-'));
  const working = work(stateDir);
  underWay.add(working);
  try {
    return await working;
  } finally {
    underWay.delete(working);
    await rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

// Specs and worlds -------------------------------------------------------------------------------------------------

interface Wish {
  readonly members: number;
  readonly cordoned: readonly string[];
  readonly heartbeatMs: number;
  readonly zones: number;
}

const wish: fc.Arbitrary<Wish> = fc.record({
  members: fc.constantFrom(1, 3, 5),
  cordoned: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
  heartbeatMs: fc.constantFrom(100, 200),
  zones: fc.constantFrom(0, 2, 3),
});

function specOf({ members, cordoned, heartbeatMs, zones }: Wish): ShortSpec {
  const hosts = names.map(
    (name, index) => `${name}${zones === 0 ? '' : `/z${index % zones}`}${cordoned.includes(name) ? '!' : ''}`,
  );
  return { members, hosts: hosts.join(' '), etcd: { 'heartbeat-interval': heartbeatMs } };
}

/** What a world goes through beside commits. The index chooses a host, counted among the running members. */
const events = [
  'kill',
  'stop',
  'reboot',
  'wipe',
  'agent-away',
  'endpoint-away',
  'power-off',
  'lead',
  'write',
  'mend',
  'wait',
] as const;
const event = fc.record({ verb: fc.constantFrom(...events), index: fc.nat(6) });
type Event = { readonly verb: (typeof events)[number]; readonly index: number };

function happen(world: ModelWorld, { verb, index }: Event): void {
  const name = names[index] ?? 'a';
  const { state } = world;
  if (verb === 'write') world.put(2);
  else if (verb === 'mend') mend(world);
  else if (verb === 'wait') world.advanceTo(world.nowMs + 6_000);
  else if (verb === 'kill') world.kill(name);
  else if (verb === 'stop' && state.hosts[name]?.member.process !== null) world.stop(name);
  else if (verb === 'agent-away') world.host(name).isAgentAway = true;
  else if (verb === 'endpoint-away') world.host(name).isEndpointAway = true;
  else if (verb === 'power-off') world.powerOff(name);
  else if (verb === 'reboot') {
    world.powerOff(name);
    world.powerOn(name);
  } else if (verb === 'lead' && isVoter(world, name)) world.lead(name);
  // Losing more disks than a quorum can do without would lose keys whatever anybody does.
  else if (verb === 'wipe' && hasSpareVoter(world)) world.wipe(name);
}

function isVoter(world: ModelWorld, name: string): boolean {
  const { data, process } = world.host(name).member;
  const leader = data === null ? undefined : leaderOf(world.state, data.clusterId);
  return process !== null && leader !== undefined && votersOf(leader.data).some((voter) => voter.id === data?.memberId);
}

function hasSpareVoter(world: ModelWorld): boolean {
  const clusterId = world.serving()?.clusterId;
  const leader = clusterId === undefined ? undefined : leaderOf(world.state, clusterId);
  if (leader === undefined) return false;
  const voters = votersOf(leader.data);
  const held = voters.filter((voter) =>
    Object.values(world.state.hosts).some(({ member }) => member.data?.memberId === voter.id),
  );
  return voters.length >= 3 && held.length === voters.length;
}

function mend(world: ModelWorld): void {
  for (const host of Object.values(world.state.hosts)) {
    Object.assign(host, { isAgentAway: false, isEndpointAway: false, isCrashing: false });
    if (!host.isOn) world.powerOn(host.name);
  }
  world.advanceTo(world.nowMs + 10_000);
}

const formed = new Map<number, Promise<ModelWorld>>();

/** A cluster of so many members on the first hosts, at rest, with keys in it. Made once for each number. */
async function clusterOf(members: number): Promise<ModelWorld> {
  const known = formed.get(members);
  const made =
    known ??
    withStateDir(async (stateDir) => {
      const world = ModelWorld.create(names);
      const spec = modelSpec({ ...specOf({ members, cordoned: [], heartbeatMs: 100, zones: 0 }), bootstrap: 'first' });
      await converge(world, spec, { stateDir });
      world.put(5);
      return world;
    });
  formed.set(members, made);
  return (await made).fork();
}

const members = fc.constantFrom(1, 3, 5);

// What always holds ------------------------------------------------------------------------------------------------

it(
  'plans the same bytes for the same input, and never below quorum at any step',
  async () => {
    const property = fc.asyncProperty(
      members,
      wish,
      fc.array(event, { maxLength: 4 }),
      async (count, target, happened) => {
        const world = await clusterOf(count);
        for (const each of happened) happen(world, each);
        const spec = modelSpec(specOf(target));
        await withStateDir(async (stateDir) => {
          const { sight } = new ModelController(world, nextLease(world), { stateDir });
          const live = await observe(spec, sight);
          const made = plan(spec, live, commitOf(spec));
          const again = plan(structuredClone(spec), structuredClone(live), commitOf(spec));
          expect(JSON.stringify(again)).toBe(JSON.stringify(made));
          expect(prefixFaults(live, made)).toEqual([]);
        });
      },
    );
    await fc.assert(property, bounded(150));
  },
  timeoutMs,
);

it(
  'reaches what the commit says from any state, and then has nothing left to do',
  async () => {
    const property = fc.asyncProperty(
      members,
      wish,
      fc.array(event, { maxLength: 3 }),
      async (count, target, happened) => {
        const world = await clusterOf(count);
        for (const each of happened) happen(world, each);
        mend(world);
        await withStateDir(async (stateDir) => {
          const end = await converge(world, modelSpec(specOf(target)), { stateDir });
          const { members: reached, violations, running } = endStateOf(world);
          expect({
            violations,
            waits: end.last?.plan.waits,
            refusals: end.last?.plan.refusals,
            error: end.error?.code,
          }).toEqual({ violations: [], waits: [], refusals: [], error: undefined });
          expect(end.isConverged).toBe(true);
          expect(reached).toHaveLength(target.members);
          expect(running).toEqual(reached);
          expect(reached.filter((name) => target.cordoned.includes(name))).toEqual([]);
        });
      },
    );
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);

it(
  'reaches the same end when the controller is struck at a random call',
  async () => {
    const fault = fc.record({
      at: fc.nat(400),
      type: fc.constantFrom('crash' as const, 'fail' as const, 'lost-answer' as const),
    });
    const property = fc.asyncProperty(members, wish, fault, async (count, target, struck) => {
      const world = await clusterOf(count);
      const undisturbed = world.fork();
      const spec = modelSpec(specOf(target));
      await withStateDir((stateDir) => converge(undisturbed, spec, { stateDir }));
      const end = await withStateDir((stateDir) => converge(world, spec, { stateDir, fault: struck }));
      expect(end.isConverged).toBe(true);
      // A leader that a fault has made another may decide which of two equal members stays.
      const { members: reached, violations, keys } = endStateOf(world);
      expect({ violations, keys, count: reached.length }).toEqual({
        violations: [],
        keys: 5,
        count: endStateOf(undisturbed).members.length,
      });
    });
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);

it(
  'keeps every acknowledged key through commits, faults and dying controllers',
  async () => {
    const act = fc.oneof(
      { weight: 2, arbitrary: event.map((each) => ({ type: 'event' as const, event: each })) },
      { weight: 1, arbitrary: wish.map((each) => ({ type: 'commit' as const, wish: each })) },
      { weight: 2, arbitrary: fc.nat(300).map((at) => ({ type: 'pass' as const, at })) },
    );
    const property = fc.asyncProperty(members, fc.array(act, { minLength: 3, maxLength: 12 }), async (count, acts) => {
      const world = await clusterOf(count);
      let current: Wish = { members: count, cordoned: [], heartbeatMs: 100, zones: 0 };
      await withStateDir(async (stateDir) => {
        for (const each of acts) {
          if (each.type === 'event') happen(world, each.event);
          else if (each.type === 'commit') current = each.wish;
          else
            await converge(world, modelSpec(specOf(current)), {
              stateDir,
              fault: { at: each.at, type: 'crash' },
              maxPasses: 2,
            });
        }
        mend(world);
        const end = await converge(world, modelSpec(specOf(current)), { stateDir, maxPasses: 24 });
        expect(world.state.violations).toEqual([]);
        expect({ waits: end.last?.plan.waits, refusals: end.last?.plan.refusals, error: end.error?.code }).toEqual({
          waits: [],
          refusals: [],
          error: undefined,
        });
        expect(end.isConverged).toBe(true);
        expect(endStateOf(world).members).toHaveLength(current.members);
      });
    });
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);
