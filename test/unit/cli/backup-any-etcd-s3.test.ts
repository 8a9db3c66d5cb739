import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { skipReason } from '../../support/binaries.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { startPlainEtcd } from './plain-etcd.ts';
import { quorate, startQuorate } from './quorate-process.ts';

vi.setConfig({ testTimeout: 120_000 });

describe.skipIf((skipReason('v36') ?? s3SkipReason()) !== undefined)('any etcd with a store in S3', () => {
  it('is backed up on demand and by a coprocess; both are listed, verified, and no secret is printed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-any-s3-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
    const server = await startS3Server();
    onTestFinished(() => server.stop());
    Object.assign(process.env, server.env);
    const etcd = await startPlainEtcd('v36', folder);
    onTestFinished(() => etcd.kill());
    await etcd.etcdctl('put', 'one', '1');
    const place = ['--store', server.storeUrl('etcd'), '--cluster', 'any'];

    const watching = startQuorate('backup', 'watch', '--endpoints', etcd.url, ...place, '--every', '1m');
    onTestFinished(async () => {
      watching.kill('SIGKILL');
      await watching.ended();
    });
    await watching.until('the first backup', () => watching.stdout().includes('at revision 2, verified\n'));
    watching.kill('SIGTERM');
    expect(await watching.ended()).toBe(0);
    await etcd.etcdctl('put', 'two', '2');
    const created = await quorate('backup', 'create', '--endpoints', etcd.url, ...place);
    expect(created).toMatchObject({ code: 0, stderr: '' });
    expect(created.stdout).toMatch(/at revision 3, verified\n$/);

    const listed = await quorate('backup', 'list', ...place, '--format', 'json');
    const { backups } = JSON.parse(listed.stdout) as { backups: readonly { verified: boolean; revision: number }[] };
    expect(backups.map(({ verified, revision }) => [verified, revision])).toEqual([
      [true, 3],
      [true, 2],
    ]);
    expect((await quorate('backup', 'verify', 'latest', ...place)).code).toBe(0);
    const secrets = Object.values(server.env).filter((value) => value.includes('secret'));
    expect(secrets).not.toEqual([]);
    for (const secret of secrets)
      for (const text of [created.stdout, watching.stdout(), watching.stderr(), listed.stdout])
        expect(text).not.toContain(secret);
  });
});
