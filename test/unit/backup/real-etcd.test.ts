import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { facts } from './streams.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.each(['v34', 'v36'] as const)('a snapshot of a real etcd, %s', (minor) => {
  it('is backed up, verified, unpacked by gunzip, and accepted by etcd', async (context) => {
    const reason = skipReason(minor);
    if (reason !== undefined) context.skip(reason);
    const folder = await mkdtemp(join(tmpdir(), 'quorate-real-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const binary = await (await testBinaries()).ensure(requireRelease(minor));
    const etcdctl = binary.etcdctl ?? '';
    const [client, peer] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${client}`;
    const etcd = spawn(
      binary.etcd,
      [
        ['--data-dir', join(folder, 'data'), '--listen-client-urls', url, '--advertise-client-urls', url],
        ['--listen-peer-urls', `http://127.0.0.1:${peer}`, '--logger', 'zap'],
      ].flat(),
      { stdio: 'ignore' },
    );
    onTestFinished(async () => {
      const exited = once(etcd, 'exit');
      etcd.kill('SIGKILL');
      await exited;
    });
    const ctl = (...args: string[]) => {
      const env = { ...process.env, ETCDCTL_API: '3' };
      const result = spawnSync(etcdctl, [`--endpoints=${url}`, ...args], { encoding: 'utf8', env, timeout: 20_000 });
      return { ok: result.status === 0, output: result.stdout + result.stderr };
    };
    const put = async () => (ctl('put', 'key', 'value'.repeat(1000)).ok ? true : undefined);
    expect((await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 100 }, put)).seen).toBe(true);
    const saved = join(folder, 'saved.db');
    expect(ctl('snapshot', 'save', saved)).toMatchObject({ ok: true });

    const store = openFileStore({ folder, cluster: 'orders', clock: systemClock, log: silentLogger });
    const { name } = await takeBackup({
      source: createReadStream(saved),
      store,
      facts: { ...facts, etcdVersion: requireRelease(minor), memberCount: 1 },
      clock: systemClock,
      log: silentLogger,
    });
    expect(await verifyBackup(store, name, { clock: systemClock })).toMatchObject({ whole: true, problems: [] });

    const unpacked = spawnSync('gunzip', ['-c', join(folder, 'orders', name, 'etcd.backup.gz')], { maxBuffer: 1e9 });
    expect(unpacked.stdout.equals(await readFile(saved))).toBe(true);
    const given = join(folder, 'given.db');
    await writeFile(given, unpacked.stdout);
    // With its hash checked, as etcd-manager restores it.
    const restore = ['snapshot', 'restore', given, '--data-dir', join(folder, 'restored')];
    const restored = spawnSync(binary.etcdutl ?? etcdctl, restore, { encoding: 'utf8', timeout: 20_000 });
    expect(restored.status, restored.stderr).toBe(0);
  });
});
