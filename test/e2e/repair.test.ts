import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectAgent } from '../../src/agent/client.ts';
import { readIdentity } from '../../src/agent/identity.ts';
import type { KeyWriter } from '../../src/cli/demo/key-writer.ts';
import { skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, expectNoKeyLost } from './support/checks.ts';
import { eventually } from './support/eventually.ts';
import { Fleet } from './support/fleet.ts';
import { killHard } from './support/processes.ts';

const three = ['a', 'b', 'c'];

describe.skipIf(skipReason('v36') !== undefined)('what breaks is repaired', () => {
  let fleet: Fleet;
  let writer: KeyWriter;

  beforeAll(async () => {
    fleet = await Fleet.start('v36');
    await reconciled();
    await fleet.commit('The bootstrap is done', (spec) => spec.deleteIn(['spec', 'bootstrap']));
    writer = await fleet.startWriter();
  });
  afterAll(async () => {
    await fleet?.close();
  });

  /** Steps of a run that ends in the declared state, without the backup. */
  async function reconciled(): Promise<readonly string[]> {
    const { boundaries } = await fleet.converge();
    return boundaries.flatMap(({ is, action, target }) =>
      is === 'done' && action !== 'backup' ? [`${action} ${target}`] : [],
    );
  }

  async function idOf(host: string): Promise<string> {
    const members = await (await fleet.etcdctl()).members(fleet.urls(['a']));
    return members.find(({ name }) => name === host)?.id ?? 'none';
  }

  async function serves(host: string): Promise<void> {
    await eventually(`etcd of ${host} serves`, 60_000, async () => (await fleet.etcdctl()).health(fleet.urls([host])));
  }

  test('a killed etcd is started again by its agent', async () => {
    const [pid, id] = [await fleet.pidOn('b'), await idOf('b')];
    await killHard([pid]);
    await serves('b');
    expect(await fleet.pidOn('b')).not.toBe(pid);
    expect(await idOf('b')).toBe(id);
  });

  test('a host that loses agent and etcd at once comes back as the member that it was', async () => {
    const [pid, id] = [await fleet.pidOn('c'), await idOf('c')];
    await fleet.killAgent('c');
    await killHard([pid]);
    await fleet.startAgent('c');
    await serves('c');
    expect(await idOf('c')).toBe(id);
    expect(await reconciled()).toEqual([]);
  });

  test('an agent that dies leaves its etcd running, and finds it again', async () => {
    const pid = await fleet.pidOn('a');
    await fleet.killAgent('a');
    await serves('a');
    await fleet.startAgent('a');
    expect(await reconciled()).toEqual([]);
    expect(await fleet.pidOn('a')).toBe(pid);
  });

  test('a stopped member is started', async () => {
    await stop('b');
    expect(await fleet.etcdOn('b')).toBeUndefined();
    expect(await reconciled()).toEqual(['start-member b']);
    await serves('b');
    await expectMembers(fleet, three);
  });

  test('a host with a wiped disk joins the same cluster again, as a new member', async () => {
    const [id, cluster] = [await idOf('c'), await clusterId()];
    await fleet.killAgent('c');
    await killHard([await fleet.pidOn('c')]);
    await rm(join(fleet.memberFolder('c'), 'data'), { recursive: true });
    await fleet.startAgent('c');
    expect(await reconciled()).toEqual(['remove-member c', 'add-learner c', 'promote-member c']);
    await expectMembers(fleet, three);
    expect(await idOf('c')).not.toBe(id);
    expect(await clusterId()).toBe(cluster);
  });

  test('the member of a cordoned host moves to a spare', async () => {
    await fleet.commit('b goes to the workshop', (spec) => spec.setIn(['spec', 'hosts', 1, 'cordon'], true));
    const steps = await reconciled();
    expect(steps.slice(0, 2)).toEqual(['add-learner d', 'promote-member d']);
    expect(steps.slice(-2)).toEqual(['remove-member b', 'archive-data b']);
    await expectMembers(fleet, ['a', 'c', 'd']);
    expect(await archivesOf(fleet, 'b')).toHaveLength(1);
  });

  test('all hosts at once lose power: the same cluster comes back by itself', async () => {
    const members = ['a', 'c', 'd'];
    const cluster = await clusterId();
    const pids = await Promise.all(members.map((host) => fleet.pidOn(host)));
    await Promise.all(fleet.hosts.map(({ name }) => fleet.killAgent(name)));
    await killHard(pids);
    await fleet.startAgents();
    for (const host of members) await serves(host);
    expect(await reconciled()).toEqual([]);
    await expectMembers(fleet, members);
    expect(await clusterId()).toBe(cluster);
  });

  test('a running controller applies a commit as it comes, and leaves etcd alone when it is told to stop', async () => {
    const controller = fleet.startController();
    await controller.says('controller starts');
    await fleet.commit('A flag', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 6000));
    await eventually('the flag is in force everywhere', 90_000, async () => {
      for (const host of ['a', 'c', 'd']) expect((await fleet.etcdOn(host))?.args).toContain('--snapshot-count=6000');
    });
    await controller.says('run ends', 60_000);
    await controller.end('SIGTERM');
    expect(controller.log.at(-1)?.msg).toBe('controller has stopped; etcd keeps running');
    await expectMembers(fleet, ['a', 'c', 'd']);
  });

  test('and no key is lost', async () => {
    await expectNoKeyLost(fleet, writer, ['a', 'c', 'd']);
    expect(writer.acknowledged).toBeGreaterThan(100);
  });

  async function clusterId(): Promise<string> {
    const { clusters } = await fleet.json<{ clusters: readonly { clusterId: string }[] }>('status');
    return clusters[0]?.clusterId ?? 'none';
  }

  /** As an operator would who holds the controller's certificate. */
  async function stop(host: string): Promise<void> {
    const pki = join(fleet.folder, 'pki');
    const files = { ca: join(pki, 'ca.crt'), cert: join(pki, 'controller.crt'), key: join(pki, 'controller.key') };
    const agent = connectAgent({
      url: fleet.host(host).agentUrl,
      expectedHost: host,
      identity: () => readIdentity(files),
    });
    try {
      await agent.commands('orders', { epoch: Date.now(), runId: 'by-hand' }).stop({ graceMs: 10_000 });
    } finally {
      await agent.close();
    }
  }
});

describe.skipIf(skipReason('v36') !== undefined)('the order of starting does not matter', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.make('v36', { hosts: three });
  });
  afterAll(async () => {
    await fleet?.close();
  });

  test('a controller without agents waits for each of them, then creates the cluster', async () => {
    const controller = fleet.startController();
    await controller.says('An agent does not answer.');
    for (const host of three.toReversed()) {
      expect(await fleet.etcdOn(host)).toBeUndefined();
      await fleet.startAgent(host);
    }
    await controller.says('run ends', 90_000);
    await expectMembers(fleet, three);
    await controller.end('SIGTERM');
  });
});
