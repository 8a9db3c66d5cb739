import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipReason } from '../support/binaries.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { s3SkipReason } from '../support/s3-program.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { expectMembers, memberHosts } from './support/checks.ts';
import { eventually } from './support/eventually.ts';
import { Fleet } from './support/fleet.ts';
import { backUp, clusterId, declareRestore, expectKeys, leaseKey, revisionOf, writeKeys } from './support/restores.ts';
import { loseEverything } from './support/total-loss.ts';

const three = ['a', 'b', 'c'];
const keys = 10;

/** Every machine is lost; what is left is a bucket. Between it and the controller stands a network that fails. */
describe.skipIf((skipReason('v36') ?? s3SkipReason()) !== undefined)('total loss with backups in S3', () => {
  let server: S3Server;
  let proxy: FaultProxy;
  let fleet: Fleet;
  let saved = '';
  let lastRevision = 0;
  let leaseSeconds = 0;

  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
    proxy = await startFaultProxy({ target: server.endpoint });
    fleet = await Fleet.start('v36', { hosts: three, store: server.storeUrl('etcd', proxy.url) });
    await fleet.converge();
  });
  afterAll(async () => {
    await fleet?.close();
    await proxy?.stop();
    await server?.stop();
  });

  async function pids(): Promise<readonly number[]> {
    return Promise.all(three.map((host) => fleet.pidOn(host)));
  }

  test('a store that refuses credentials or is away holds every change up, and the change goes on by itself', async () => {
    const before = await pids();
    await fleet.commit('Another flag', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 7000));
    proxy.faults.answerStatus = 403;
    const refused = await fleet.once();
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('store-unknown');
    proxy.heal();
    proxy.faults.away = true;
    const controller = fleet.startController();
    const status = await fleet.quorate('status');
    expect(status.stdout).toContain('store-unknown');
    expect(await pids()).toEqual(before);
    proxy.heal();
    await eventually('the change is made', 120_000, async () => {
      for (const host of three) expect((await fleet.etcdOn(host))?.args).toContain('--snapshot-count=7000');
    });
    await eventually('the run is over', 60_000, () => expectMembers(fleet, three));
    await controller.end('SIGTERM');
  });

  test('an upload that breaks off is no backup, changes nothing and is cleared away', async () => {
    const before = await pids();
    const listed = await listedNames();
    await fleet.commit('One more flag', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 7500));
    proxy.faults.concerns = ({ method, path }) => method === 'PUT' && path.includes('etcd.backup.gz');
    proxy.faults.cutRequestAfterBytes = 400;
    const { code } = await fleet.once();
    expect(code).toBe(1);
    expect(await pids()).toEqual(before);
    proxy.heal();
    expect(await listedNames()).toEqual(listed);
    await fleet.converge();
    expect((await listedNames()).length).toBe(listed.length + 1);
  });

  test('nothing happens until the commit', async () => {
    const etcdctl = await fleet.etcdctl();
    await writeKeys(fleet, fleet.urls(three), 'before', keys);
    leaseSeconds = 20;
    await leaseKey(etcdctl, fleet.urls(three), 'leased', leaseSeconds);
    saved = await backUp(fleet);
    await writeKeys(fleet, fleet.urls(three), 'after', 5);
    lastRevision = await revisionOf(etcdctl, fleet.urls(['a'])[0] ?? '');
    await loseEverything(fleet, three);
    const refused = await fleet.once();
    expect(refused.code).toBe(10);
    expect(refused.stderr).toContain('[cluster-lost]');
    expect(await memberHosts(fleet)).toEqual([]);
    const { clusters } = await fleet.json<{ clusters: readonly { phase: string }[] }>('status');
    expect(clusters[0]?.phase).toBe('Lost');
  });

  test('a download that breaks off starts nothing', async () => {
    await declareRestore(fleet, 'again', saved);
    proxy.faults.concerns = ({ method, path }) => method === 'GET' && path.includes('etcd.backup.gz');
    proxy.faults.cutResponseAfterBytes = 400;
    const { code, log } = await fleet.once();
    expect(code).toBe(1);
    expect(log.map((line) => line.part)).not.toContain('record');
    expect(await memberHosts(fleet)).toEqual([]);
    proxy.heal();
  });

  test('an altered byte on the way is found before anything is written down', async () => {
    proxy.faults.concerns = ({ method, path }) => method === 'GET' && path.includes('etcd.backup.gz');
    proxy.faults.alterResponseByte = 400;
    const { code, log } = await fleet.once();
    expect(code).toBe(1);
    expect(log.map((line) => line.code)).toContain('backup-altered');
    expect(log.map((line) => line.part)).not.toContain('record');
    expect(await memberHosts(fleet)).toEqual([]);
    proxy.heal();
  });

  test('then every key of the backup is back, revisions go on, and leases still expire', async () => {
    const controller = fleet.startController();
    await eventually('the cluster serves', 120_000, () => expectMembers(fleet, three));
    const etcdctl = await fleet.etcdctl();
    await expectKeys(etcdctl, fleet.urls(three), 'before', keys);
    expect((await etcdctl.keys(fleet.urls(three), 'after/')).size).toBe(0);
    for (const url of fleet.urls(three)) expect(await revisionOf(etcdctl, url)).toBeGreaterThan(lastRevision);
    const behind = await etcdctl.attempt(fleet.urls(['b']), 'get', 'before/0', '--rev', String(lastRevision));
    expect(behind.stderr).toMatch(/compacted/);
    // A watch that was cut off by the loss and goes on where it was is told to list anew; it sees nothing that is older.
    const watch = await etcdctl.attempt(
      fleet.urls(['b']),
      'watch',
      'before/',
      '--prefix',
      '--rev',
      String(lastRevision),
    );
    expect(watch.code).not.toBe(0);
    expect(`${watch.stdout}${watch.stderr}`).toMatch(/compacted/);
    expect(watch.stdout).not.toContain('before/');
    await eventually('the lease expires', (leaseSeconds + 40) * 1000, async () => {
      expect(await etcdctl.text(fleet.urls(three), 'get', 'leased')).toBe('');
    });
    await fleet.commit('The restore is done', (spec) => spec.deleteIn(['spec', 'bootstrap']));
    expect(await clusterId(fleet)).toMatch(/^[0-9a-f]+$/);
    await controller.end('SIGTERM');
    expect((await fleet.converge()).boundaries).toEqual([]);
  });

  async function listedNames(): Promise<readonly string[]> {
    const { backups } = await fleet.json<{ backups: readonly { name: string }[] }>('backup', 'list');
    return backups.map(({ name }) => name);
  }
});
