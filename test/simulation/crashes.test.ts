import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallFault } from '../support/model/calls.ts';
import { type Converged, converge, makeStateDir } from '../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../support/model/model-spec.ts';
import { membersOf } from '../support/model/state.ts';
import { leaderOf, nodesOf } from '../support/model/raft.ts';
import { ModelWorld } from '../support/model/world.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeStateDir();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A cluster at rest with keys in it. */
async function started(short: ShortSpec): Promise<ModelWorld> {
  const hosts = short.hosts.split(' ').map((word) => word.slice(0, 1));
  const world = ModelWorld.create(hosts);
  const formed = await run(world, { ...short, bootstrap: 'first' });
  expect(formed.isConverged).toBe(true);
  world.put(5);
  return world;
}

async function run(world: ModelWorld, short: ShortSpec, fault?: CallFault): Promise<Converged> {
  const stateDir = await mkdtemp(join(folder, 'run-'));
  try {
    return await converge(world, modelSpec(short), { stateDir, fault });
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

/** What a run has to lead to, whatever happened on the way. */
function endOf(world: ModelWorld): object {
  const { state } = world;
  const serving = world.serving();
  const leader = serving === undefined ? undefined : leaderOf(state, serving.clusterId);
  return {
    violations: state.violations,
    members: leader === undefined ? [] : membersOf(leader.data).map((member) => `${member.name}${member.isLearner ? '?' : ''}`).toSorted(),
    running: leader === undefined ? [] : nodesOf(state, leader.data.clusterId).map((node) => node.host.name),
    withData: Object.values(state.hosts).flatMap((host) => (host.member.data === null ? [] : [host.name])),
  };
}

const cases: readonly { readonly name: string; readonly from: ShortSpec; readonly to: ShortSpec; readonly leader: string }[] = [
  { name: '3 to 5', from: { members: 3, hosts: 'a b c d e' }, to: { members: 5, hosts: 'a b c d e' }, leader: 'a' },
  { name: '5 to 3, the leader among the leaving', from: { members: 5, hosts: 'a b c d e' }, to: { members: 3, hosts: 'a b c d! e!' }, leader: 'e' },
  { name: 'new flags', from: { members: 3, hosts: 'a b c' }, to: { members: 3, hosts: 'a b c', etcd: { 'heartbeat-interval': 200 } }, leader: 'b' },
  { name: 'a swap', from: { members: 3, hosts: 'a b c d' }, to: { members: 3, hosts: 'a! b c d' }, leader: 'a' },
  { name: 'bootstrap', from: { members: 3, hosts: 'a b c' }, to: { members: 3, hosts: 'a b c', bootstrap: 'first' }, leader: '' },
];

describe.each(cases)('$name', ({ name, from, to, leader }) => {
  it.each(['crash', 'fail', 'lost-answer'] as const)('comes to the same end after a %s at any call', async (type) => {
    let base: ModelWorld;
    if (leader === '') base = ModelWorld.create(['a', 'b', 'c']);
    else {
      base = await started(from);
      base.lead(leader);
    }
    const whole = base.fork();
    const t = Date.now();
    const undisturbed = await run(whole, to);
    expect(undisturbed.isConverged).toBe(true);
    const expected = endOf(whole);
    expect(expected).toMatchObject({ violations: [] });
    let bad = 0;
    for (let at = 1; at <= undisturbed.calls.length; at++) {
      const world = base.fork();
      const end = await run(world, to, { at, type });
      const got = endOf(world);
      if (!end.isConverged || JSON.stringify(got) !== JSON.stringify(expected)) {
        if (++bad <= 6) console.log(name, type, at, end.calls[at - 1], end.isConverged, JSON.stringify(got), end.last?.outcome?.error?.message, JSON.stringify(end.last?.plan.waits), JSON.stringify(end.last?.plan.refusals), JSON.stringify(end.last?.plan.steps.map((s) => [s.action, s.target, s.reason])));
      }
    }
    console.log(name, type, undisturbed.calls.length, 'bad', bad, Date.now() - t, 'ms');
  }, 300_000);
});
