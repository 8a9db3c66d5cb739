import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type BackupWatchOptions, backupWatchCommand } from '../../../src/cli/backup-watch.ts';
import { requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';
import { errorOf } from '../backup/streams.ts';
import { createTestCluster } from '../etcd/etcd-fixture.ts';
import { type PlainEtcd, startPlainEtcd } from './plain-etcd.ts';
import { type QuorateProcess, quorate, startQuorate } from './quorate-process.ts';

// Each of these starts several processes; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-any-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

async function plainEtcd(minor: 'v34' | 'v35' | 'v36', folder: string): Promise<PlainEtcd> {
  const etcd = await startPlainEtcd(minor, folder);
  onTestFinished(() => etcd.kill());
  return etcd;
}

function watch(...args: readonly string[]): QuorateProcess {
  const watching = startQuorate('backup', 'watch', ...args);
  onTestFinished(async () => {
    watching.kill('SIGKILL');
    await watching.ended();
  });
  return watching;
}

/** Names in the folder of the cluster that are backups, finished or not. */
async function namesIn(store: string): Promise<readonly string[]> {
  const names = await readdir(join(store, 'any')).catch(() => []);
  return names.filter((name) => /^\d{4}-/.test(name));
}

describe.each(['v34', 'v35', 'v36'] as const)('any etcd, %s', (minor) => {
  const reason = skipReason(minor);

  it.skipIf(reason !== undefined)(
    'is backed up over TLS; the backup is listed and verified without agents',
    async () => {
      const folder = await temporaryFolder();
      const cluster = await createTestCluster(await (await testBinaries()).ensure(requireRelease(minor)));
      onTestFinished(() => cluster.close());
      const host = await cluster.newHost('a');
      const member = await cluster.startMember(host, [host], 'new');
      await cluster.etcdctl(member, 'put', 'one', '1');
      await cluster.etcdctl(member, 'put', 'two', '2');
      const place = ['--store', `file://${folder}`, '--cluster', 'any'];
      const tls = ['--cacert', 'client.ca', '--cert', 'client.crt', '--key', 'client.key'];
      const options = tls.map((word) => (word.startsWith('--') ? word : cluster.file(word)));
      const created = await quorate('backup', 'create', '--endpoints', member.clientUrl, ...options, ...place);
      expect(created).toMatchObject({ code: 0, stderr: '' });
      expect(created.stdout).toMatch(/at revision 3, verified\n$/);
      const listed = await quorate('backup', 'list', ...place, '--format', 'json');
      expect(listed).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(listed.stdout)).toMatchObject({
        backups: [{ verified: true, revision: 3, keyCount: 2, source: 'a', reason: 'on-demand', memberCount: 1 }],
        diagnostics: [],
      });
      const [name = ''] = await namesIn(folder);
      const verified = await quorate('backup', 'verify', name, ...place);
      expect(verified.code).toBe(0);
      expect(verified.stdout).toContain(`${name}: whole`);
      const stranger = await quorate('backup', 'create', '--endpoints', member.clientUrl, ...place);
      expect(stranger.code).toBe(1);
      expect(await namesIn(folder)).toEqual([name]);
    },
  );

  it.skipIf(reason !== undefined)('is backed up without TLS, again and again, until SIGTERM', async () => {
    const folder = await temporaryFolder();
    const etcd = await plainEtcd(minor, folder);
    await etcd.etcdctl('put', 'one', '1');
    const store = join(folder, 'store');
    const place = ['--store', `file://${store}`, '--cluster', 'any'];
    const watching = watch('--endpoints', etcd.url, ...place, '--every', '1m');
    await watching.until('the first backup', () => watching.stdout().includes('at revision 2, verified\n'));
    watching.kill('SIGTERM');
    expect(await watching.ended()).toBe(0);
    expect(watching.stderr()).toBe('');
    expect(await namesIn(store)).toHaveLength(1);
    const listing = await readdir(join(store, 'any'));
    // Nobody looks after this etcd: no record is made of it.
    expect(listing).not.toContain('control');
  });
});

describe.skipIf(skipReason('v35') !== undefined)('a store that holds backups of another cluster', () => {
  it('is refused by create and watch until --replaces names that cluster', async () => {
    const folder = await temporaryFolder();
    const [first, second] = await Promise.all(
      ['first', 'second'].map(async (name) => {
        await mkdir(join(folder, name));
        return plainEtcd('v35', join(folder, name));
      }),
    );
    if (first === undefined || second === undefined) throw new Error('two were started');
    // The id is made from peer URLs and token: each has a port of its own, so no two are the same.
    const place = ['--store', `file://${folder}/store`, '--cluster', 'any'];
    const create = (etcd: PlainEtcd, ...more: string[]) =>
      quorate('backup', 'create', '--endpoints', etcd.url, ...place, ...more);
    expect(await create(first)).toMatchObject({ code: 0, stderr: '' });
    expect(await create(first)).toMatchObject({ code: 0, stderr: '' });
    const listed = await quorate('backup', 'list', ...place, '--format', 'json');
    const [backup] = (JSON.parse(listed.stdout) as { backups: { clusterId: string; name: string }[] }).backups;
    const id = backup?.clusterId ?? '';
    expect(id).toMatch(/^[0-9a-f]+$/);
    const table = await quorate('backup', 'list', ...place);
    expect(table.stdout).toMatch(new RegExp(` CLUSTER +REASON\n.* yes +${id} +on-demand\n`));

    const refused = await create(second);
    expect(refused).toMatchObject({ code: 10, stdout: '' });
    expect(refused.stderr).toContain('[backup-other-cluster]');
    expect(refused.stderr).toContain(`--replaces ${id}`);
    const watching = watch('--endpoints', second.url, ...place, '--every', '1m');
    expect(await watching.ended()).toBe(10);
    expect(watching.stderr()).toContain('[backup-other-cluster]');
    expect((await create(second, '--replaces', 'abc')).code).toBe(10);
    expect((await create(second, '--replaces', 'the old one')).code).toBe(3);
    expect(await namesIn(join(folder, 'store'))).toHaveLength(2);

    expect(await create(second, '--replaces', id)).toMatchObject({ code: 0, stderr: '' });
    // Now the store is of the second, whatever is said; and the first can no longer slip in.
    expect((await create(second)).code).toBe(0);
    expect((await create(second, '--replaces', id)).code).toBe(0);
    expect((await create(first)).code).toBe(10);
    expect(await namesIn(join(folder, 'store'))).toHaveLength(5);
  });
});

describe.skipIf(skipReason('v35') !== undefined)('backup watch', () => {
  it('clears away the upload that SIGTERM cuts off, and ends with 0', async () => {
    const folder = await temporaryFolder();
    const etcd = await plainEtcd('v35', folder);
    await etcd.fill(12);
    const proxy = await startFaultProxy({ target: etcd.url.replace('http:', 'tcp:') });
    onTestFinished(() => proxy.stop());
    proxy.faults.bytesPerSecond = 512 * 1024;
    const store = join(folder, 'store');
    const endpoint = `http://127.0.0.1:${proxy.port}`;
    const watching = watch('--endpoints', endpoint, '--store', `file://${store}`, '--cluster', 'any', '--every', '1h');
    await watching.until('the upload has begun', async () =>
      (await filesBelow(store)).some(({ path, sizeBytes }) => path.endsWith('.tmp') && sizeBytes > 100_000),
    );
    watching.kill('SIGTERM');
    expect(await watching.ended()).toBe(0);
    expect(watching.stdout()).toBe('');
    expect(await namesIn(store)).toEqual([]);
    expect((await filesBelow(store)).filter(({ path }) => path.endsWith('.tmp'))).toEqual([]);
  });

  it('goes on when etcd and the store come back', async () => {
    const folder = await temporaryFolder();
    const etcd = await plainEtcd('v35', folder);
    const store = join(folder, 'store');
    await mkdir(store, { mode: 0o700 });
    await writeFile(join(store, 'any'), 'a file where the folder has to be');
    await etcd.kill();
    const watching = watch('--endpoints', etcd.url, '--store', `file://${store}`, '--cluster', 'any', '--every', '1h');
    await watching.until('it tells that etcd is away', () => watching.stderr().includes('[etcd-unreachable]'));
    await etcd.start();
    await watching.until(
      'it tells that the store is not right',
      () => watching.stderr().split('again in').length === 3,
    );
    expect(watching.stderr()).toContain('again in 2s');
    await rm(join(store, 'any'));
    await watching.until('the backup', () => watching.stdout().includes(', verified\n'));
    watching.kill('SIGINT');
    expect(await watching.ended()).toBe(0);
    expect(await namesIn(store)).toHaveLength(1);
  });
});

describe('the options of backup watch', () => {
  const endpoints = ['http://127.0.0.1:1'];
  const store = 'file:///nowhere';
  it.each<readonly [what: string, options: BackupWatchOptions, said: string]>([
    ['no store', { endpoints, every: '1m' }, 'needs --store URL and --cluster'],
    ['no cluster', { endpoints, every: '1m', store }, '--cluster NAME'],
    ['an id that is none', { endpoints, store, cluster: 'any', every: '1m', replaces: '-' }, '--replaces'],
    ['--replaces without endpoints', { replaces: 'a1', every: '1m' }, '--replaces goes with --endpoints'],
    ['no schedule', { endpoints, store, cluster: 'any' }, 'how often'],
    ['a schedule that is none', { endpoints, every: '1s', store, cluster: 'any' }, 'an interval from 1m'],
    ['an endpoint that is none', { endpoints: ['a:2379'], every: '1m', store, cluster: 'any' }, 'no client URL'],
    [
      'a certificate alone',
      { endpoints: ['https://a:1'], cert: 'x', every: '1m', store, cluster: 'any' },
      'go together',
    ],
    ['a store without endpoints', { store, cluster: 'any', every: '1m' }, '--store goes with --endpoints'],
    ['a configuration too', { endpoints, store, config: 'x', cluster: 'any', every: '1m' }, '--config'],
    [
      'a file that is not there',
      { endpoints: ['https://a:1'], cacert: '/nowhere/x', every: '1m', store, cluster: 'any' },
      '/nowhere/x',
    ],
  ])('with %s are refused before anything is asked', async (_what, options, said) => {
    const terminal = { out: () => undefined, err: () => undefined, hasColor: false };
    const error = await errorOf(backupWatchCommand(options, terminal));
    expect(error.kind).toBe('invalid');
    expect(error.message).toContain(said);
  });
});

interface SeenFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** What is removed while it is looked at is left out. */
async function filesBelow(folder: string): Promise<readonly SeenFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const seen = await Promise.all(
    files.map((path) =>
      stat(path).then(
        ({ size }) => [{ path, sizeBytes: size }],
        () => [],
      ),
    ),
  );
  return seen.flat();
}
