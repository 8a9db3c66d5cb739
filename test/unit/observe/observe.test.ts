import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isHealthy, type LiveState } from '../../../src/observe/live-state.ts';
import { observe } from '../../../src/observe/observe.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { converge, makeStateDir } from '../../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';

const three: ShortSpec = { members: 3, hosts: 'a b c' };
let stateDir: string;
let base: ModelWorld;

beforeAll(async () => {
  stateDir = await makeStateDir();
  base = ModelWorld.create(['a', 'b', 'c', 'd']);
  await converge(base, modelSpec({ ...three, bootstrap: 'first' }), { stateDir });
  base.lead('a');
});
afterAll(() => rm(stateDir, { recursive: true, force: true }));

async function look(change: (world: ModelWorld) => void, short: ShortSpec = three): Promise<LiveState> {
  const world = base.fork();
  change(world);
  return observe(modelSpec(short), new ModelController(world, nextLease(world), { stateDir }).sight);
}

const unchanged = (): void => undefined;

it('sees members, leader, record and authorities of a healthy cluster', async () => {
  const live = await look(unchanged);
  if (!live.etcd.known) throw new Error(live.etcd.reason);
  const { members, leaderId } = live.etcd.value;
  expect(members.map((member) => [member.host, member.isLearner, isHealthy(member)])).toEqual([
    ['a', false, true],
    ['b', false, true],
    ['c', false, true],
  ]);
  expect(members.find((member) => member.id === leaderId)?.host).toBe('a');
  expect(live.record).toMatchObject({
    known: true,
    value: { record: { clusterId: live.etcd.value.clusterId, operation: null } },
  });
  expect(live.authorities).toMatchObject({ known: true, value: { 'main-1': { name: 'main-1' } } });
});

it('takes silence for silence: whatever does not answer is unknown, with the reason', async () => {
  const live = await look((world) => {
    for (const name of ['a', 'b', 'c']) Object.assign(world.host(name), { isAgentAway: true, isEndpointAway: true });
    world.store.faults.away = true;
    world.state.isKeystoreAway = true;
  });
  expect(live.hosts.map((host) => host.facts.known)).toEqual([false, false, false]);
  for (const seen of [live.etcd, live.record, live.backups, live.authorities]) {
    expect(seen).toEqual({ known: false, reason: expect.stringMatching(/./) as string });
  }
});

it('still asks etcd when agents are silent', async () => {
  const live = await look((world) => {
    for (const name of ['a', 'b', 'c']) world.host(name).isAgentAway = true;
  });
  expect(live.etcd).toMatchObject({ known: true, value: { leaderId: expect.stringMatching(/./) as string } });
});

it('knows of no leader while the members differ', async () => {
  const live = await look((world) => {
    world.host('c').isBehind = true;
  });
  expect(live.etcd).toMatchObject({ known: true, value: { leaderId: null } });
});

it('looks at hosts that left the spec as long as the record names them', async () => {
  const live = await look(unchanged, { members: 3, hosts: 'a b d' });
  expect(live.hosts.map((host) => [host.name, host.declared])).toEqual([
    ['a', true],
    ['b', true],
    ['d', true],
    ['c', false],
  ]);
  expect(live.hosts.at(-1)?.facts).toMatchObject({ known: true, value: { member: { process: { state: 'running' } } } });
});

it('does not ask a learner how it is', async () => {
  const live = await look((world) => {
    for (const host of Object.values(world.state.hosts)) {
      const { data } = host.member;
      if (data === null) continue;
      data.log = data.log.map((entry) =>
        entry.type === 'members'
          ? {
              ...entry,
              members: entry.members.map((member) => (member.name === 'c' ? { ...member, isLearner: true } : member)),
            }
          : entry,
      );
    }
  });
  if (!live.etcd.known) throw new Error(live.etcd.reason);
  const learner = live.etcd.value.members.find((member) => member.isLearner);
  expect(learner).toMatchObject({
    host: 'c',
    status: { known: false, reason: 'a learner is not asked' },
    health: { known: false },
  });
});
