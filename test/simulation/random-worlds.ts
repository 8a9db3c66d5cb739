import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll } from 'vitest';
import { converge, makeStateDir } from '../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../support/model/model-spec.ts';
import { leaderOf, votersOf } from '../support/model/raft.ts';
import { ModelWorld } from '../support/model/world.ts';

// Specs and worlds by chance, for the tests of what always holds.

export const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const;
/** fast-check prints the seed of a failure; `QUORATE_SEED` runs it again, or others. */
const seed = Number(process.env['QUORATE_SEED'] ?? 20_261_120);
export const bounded = (numRuns: number): fc.Parameters<unknown> => ({
  seed,
  numRuns,
  // Slow machines check fewer worlds rather than fail.
  plugins: [fc.interruptAfterTimeLimit(5_000)],
});
export const timeoutMs = 60_000;

let folder: string;

/** To be called once by a file that uses `withStateDir` or `clusterOf`. */
export function useStateDirs(): void {
  beforeAll(async () => {
    folder = await makeStateDir();
    formed.clear();
  });
  afterAll(async () => {
    // A run that the time limit cut off is still under way: nothing is removed beneath it.
    await Promise.allSettled(underWay);
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }, timeoutMs);
}

const underWay = new Set<Promise<unknown>>();

export async function withStateDir<T>(work: (stateDir: string) => Promise<T>): Promise<T> {
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

export interface Wish {
  readonly members: number;
  readonly cordoned: readonly string[];
  readonly heartbeatMs: number;
  readonly zones: number;
}

export const wish: fc.Arbitrary<Wish> = fc.record({
  members: fc.constantFrom(1, 3, 5),
  cordoned: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
  heartbeatMs: fc.constantFrom(100, 200),
  zones: fc.constantFrom(0, 2, 3),
});

export function specOf({ members, cordoned, heartbeatMs, zones }: Wish): ShortSpec {
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
export const event = fc.record({ verb: fc.constantFrom(...events), index: fc.nat(6) });
export type Event = { readonly verb: (typeof events)[number]; readonly index: number };

export function happen(world: ModelWorld, { verb, index }: Event): void {
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

export function mend(world: ModelWorld): void {
  for (const host of Object.values(world.state.hosts)) {
    Object.assign(host, { isAgentAway: false, isEndpointAway: false, isCrashing: false });
    if (!host.isOn) world.powerOn(host.name);
  }
  world.advanceTo(world.nowMs + 10_000);
}

const formed = new Map<number, Promise<ModelWorld>>();

/** A cluster of so many members on the first hosts, at rest, with keys in it. Made once for each number. */
export async function clusterOf(members: number): Promise<ModelWorld> {
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

export const members = fc.constantFrom(1, 3, 5);
