import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentCommands, StartRequest } from '../../src/agent/wire.ts';
import type { EtcdApi } from '../../src/etcd/api.ts';
import { memberFlags } from '../../src/etcd/flags.ts';
import { type ClusterSpec, clientUrl, peerUrl } from '../../src/spec/cluster-spec.ts';
import { ModelController, nextLease } from '../support/model/controller.ts';
import { converge, makeStateDir } from '../support/model/converge.ts';
import { modelSpec } from '../support/model/model-spec.ts';
import { ModelWorld } from '../support/model/world.ts';

/** The model and its oracle have to have teeth: here everything is done wrongly, past planner and guards. */
const spec: ClusterSpec = modelSpec({ members: 3, hosts: 'a b c d' });
let stateDir: string;
let base: ModelWorld;

beforeAll(async () => {
  stateDir = await makeStateDir();
  base = ModelWorld.create(['a', 'b', 'c', 'd']);
  await converge(base, modelSpec({ members: 3, hosts: 'a b c d', bootstrap: 'first' }), { stateDir });
  base.put(5);
  base.lead('a');
  base.advanceTo(base.nowMs + 10_000);
});
afterAll(() => rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));

interface Hands {
  readonly world: ModelWorld;
  readonly etcd: EtcdApi;
  readonly id: (host: string) => string;
  readonly agent: (host: string, epoch?: number) => AgentCommands;
  readonly start: (host: string, join?: StartRequest['join']) => Promise<unknown>;
}

async function hands(): Promise<Hands> {
  const world = base.fork();
  const { sight, lease } = new ModelController(world, nextLease(world), { stateDir });
  const etcd = await sight.etcd(spec.hosts.map(clientUrl));
  if (etcd === undefined) throw new Error('the model has no authority');
  const agent = (name: string, epoch = lease.epoch): AgentCommands =>
    sight.agent({ name, agent: `https://${name}:7001` }).commands('orders', { epoch, runId: 'run' });
  return {
    world,
    etcd,
    id: (host) => world.host(host).member.data?.memberId ?? '',
    agent,
    start: (host, join) => {
      const own = spec.hosts.find((candidate) => candidate.name === host);
      if (own === undefined) throw new Error(`no host ${host}`);
      const flags = memberFlags(spec, own);
      return agent(host).start({
        member: host,
        version: '3.5.33',
        flags,
        electionTimeoutMs: 1000,
        ...(join === undefined ? {} : { join }),
      });
    },
  };
}

const initialCluster = spec.hosts
  .slice(0, 3)
  .map((host) => `${host.name}=${peerUrl(host)}`)
  .join();
const urlOf = (name: string): string => `https://10.0.0.${name === 'd' ? 14 : 15}:2380`;

/** Forgets what the agent of a host knows about its member, but not its certificates. */
function forget(world: ModelWorld, name: string): void {
  Object.assign(world.host(name).member, {
    data: null,
    process: null,
    latched: null,
    request: null,
    restartAtMs: null,
  });
  world.settle();
}

describe('the oracle notices', () => {
  it('keys lost to two members that begin anew under the old ids', async () => {
    const { world, start } = await hands();
    const token = tokenOf(world);
    world.powerOff('a');
    forget(world, 'b');
    forget(world, 'c');
    await start('b', { state: 'new', initialCluster, token, bootstrapId: 'first' });
    await start('c', { state: 'new', initialCluster, token, bootstrapId: 'first' });
    world.advanceTo(world.nowMs + 5_000);
    expect(world.state.violations).toContainEqual(expect.stringMatching(/^5 acknowledged keys are lost/));
    world.powerOn('a');
    expect(world.state.violations).toContainEqual(expect.stringMatching(/histories have parted/));
  });

  it('a second cluster that is formed beside the first', async () => {
    const { world, start } = await hands();
    world.host('d').member.tls = structuredClone(world.host('a').member.tls);
    await start('d', { state: 'new', initialCluster: `d=${urlOf('d')}`, token: 'other', bootstrapId: 'second' });
    world.advanceTo(world.nowMs + 5_000);
    expect(world.state.violations).toEqual([
      'd bootstraps without words',
      expect.stringMatching(/^2 clusters serve at once/) as string,
      expect.stringMatching(/acknowledged keys are lost/) as string,
    ]);
  });

  it('members stopped two at a time, without a backup, or while they lead', async () => {
    const { world, agent } = await hands();
    await agent('b').stop({ graceMs: 7000 });
    await agent('a').stop({ graceMs: 7000 });
    expect(world.state.violations).toEqual([
      'b was stopped without a verified backup',
      'a was stopped without a verified backup',
      'a was stopped while it led',
      'stopping a leaves no quorum',
      'a is the second one stopped by us',
    ]);
  });

  it('changes of membership without a backup, and one that costs the quorum', async () => {
    const { world, etcd, id } = await hands();
    world.powerOff('c');
    await etcd.memberRemove(id('c'));
    world.kill('b');
    expect(world.serving()).toBeUndefined();
    expect(world.state.violations).toEqual([`member-remove ${id('c')} without a verified backup in this run`]);
  });

  it('data of a member that is moved away', async () => {
    const { world, agent } = await hands();
    world.stop('b');
    await agent('b').archiveData({ reason: 'mistake' });
    expect(world.state.violations).toContain('the data of b was moved away while it is a member');
  });
});

describe('etcd in the model', () => {
  it('adds nobody while one of three is away, and one learner at a time', async () => {
    const { world, etcd } = await hands();
    world.powerOff('c');
    await expect(etcd.memberAddLearner(urlOf('d'))).rejects.toMatchObject({ code: 'unhealthy-cluster' });
    world.powerOn('c');
    await expect(etcd.memberAddLearner(urlOf('d'))).rejects.toMatchObject({ code: 'unhealthy-cluster' });
    world.advanceTo(world.nowMs + 6_000);
    await etcd.memberAddLearner(urlOf('d'));
    await expect(etcd.memberAddLearner(urlOf('d'))).rejects.toMatchObject({ code: 'peer-url-exists' });
    await expect(etcd.memberAddLearner(urlOf('e'))).rejects.toMatchObject({ code: 'too-many-learners' });
  });

  it('promotes a learner only when it runs and has caught up', async () => {
    const { world, etcd, start } = await hands();
    const learner = await etcd.memberAddLearner(urlOf('d'));
    await expect(etcd.memberPromote(learner)).rejects.toMatchObject({ code: 'learner-not-ready' });
    world.host('d').member.tls = structuredClone(world.host('a').member.tls);
    world.host('d').catchUpMs = 60_000;
    await start('d', { state: 'existing', initialCluster: `${initialCluster},d=${urlOf('d')}`, token: 'orders' });
    await expect(etcd.memberPromote(learner)).rejects.toMatchObject({ code: 'learner-not-ready' });
    world.advanceTo(world.nowMs + 61_000);
    await etcd.memberPromote(learner);
    expect((await etcd.memberList()).members).toHaveLength(4);
  });

  it('lets no member join whose list differs from that of the others', async () => {
    const { world, etcd, start } = await hands();
    await etcd.memberAddLearner(urlOf('d'));
    world.host('d').member.tls = structuredClone(world.host('a').member.tls);
    await start('d', {
      state: 'existing',
      initialCluster: `a=https://10.0.0.11:2380,d=${urlOf('d')}`,
      token: 'orders',
    });
    expect(world.host('d').member).toMatchObject({ process: null, data: null });
  });

  it('ends a removed member by itself, and does not let it come back', async () => {
    const { world, etcd, id } = await hands();
    await etcd.memberRemove(id('b'));
    world.advanceTo(world.nowMs + 10_000);
    expect(world.host('b').member.process).toBeNull();
    expect(world.host('b').member.lastExit?.logTail).toEqual([
      'the member has been permanently removed from the cluster',
    ]);
  });

  it('serves nothing without a quorum, and again as soon as there is one', async () => {
    const { world, etcd } = await hands();
    world.powerOff('b');
    world.powerOff('c');
    await expect(etcd.memberList()).rejects.toMatchObject({ code: 'etcd-unreachable' });
    expect(world.serving()).toBeUndefined();
    world.powerOn('b');
    world.advanceTo(world.nowMs + 3_000);
    expect((await etcd.memberList()).members).toHaveLength(3);
    expect(world.state.violations).toEqual([]);
  });

  it('elects only a member whose log is as new as that of a majority', async () => {
    const { world } = await hands();
    world.powerOff('c');
    world.put(1);
    world.powerOff('a');
    world.powerOn('c');
    world.advanceTo(world.nowMs + 3_000);
    expect(world.serving()?.leader).toBe('b');
    expect(world.state.violations).toEqual([]);
  });
});

describe('agents in the model', () => {
  it('refuse an older epoch, a start over a lost identity, and other settings while etcd runs', async () => {
    const { world, agent, start } = await hands();
    await agent('a').fetchBinary('3.5.33');
    await expect(agent('a', 1).stop({ graceMs: 7000 })).rejects.toMatchObject({ code: 'stale-epoch' });
    const { request } = world.host('a').member;
    if (request === null) throw new Error('a was never started');
    await expect(agent('a').start({ ...request, version: '3.6.14' })).rejects.toMatchObject({
      code: 'already-running',
    });
    await expect(agent('a').archiveData({ reason: 'x' })).rejects.toMatchObject({ code: 'still-running' });
    world.wipe('b');
    await expect(start('b')).rejects.toMatchObject({ code: 'no-data' });
    const join = { state: 'new' as const, initialCluster, token: 'x', bootstrapId: 'first' };
    await expect(start('b', join)).rejects.toMatchObject({ code: 'identity-latched' });
    await expect(start('d', join)).rejects.toMatchObject({ code: 'certificate-missing' });
  });
});

/** The token that the members of the world were formed with. */
function tokenOf(world: ModelWorld): string {
  return world.host('a').member.request?.join?.token ?? '';
}
