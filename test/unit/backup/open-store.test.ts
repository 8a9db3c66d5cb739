import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { errorOf } from './streams.ts';

const common = { log: silentLogger, clock: systemClock };

describe('openStore', () => {
  it('opens the folder of the cluster below a file URL', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'quorate-open-'));
    onTestFinished(() => rm(temporary, { recursive: true, force: true }));
    const url = `${pathToFileURL(join(temporary, 'mit Leerzeichen')).href}/`;
    const store = await openStore(url, 'orders', common);
    await store.write('a', 'b');
    expect(await readFile(join(temporary, 'mit Leerzeichen', 'orders', 'a'), 'utf8')).toBe('b');
    expect(store.url).toContain('orders');
  });

  it.each([
    '',
    'x',
    '/var/x',
    'file:',
    'file:///',
    'file://host/x',
    'file:///a?b=c',
    'file:///a%2fb',
    's3://b/p',
    's3://bucket/p?endpoint=ftp://x',
    's3://key:secret@bucket/p?region=eu-1',
    'http://h/',
  ])('refuses %j', async (url) => {
    expect((await errorOf(openStore(url, 'orders', common))).code).toBe('store-url-invalid');
  });

  it('opens a bucket without asking for it, in the region that is named or that the surroundings name', async () => {
    const { AWS_REGION: before } = process.env;
    onTestFinished(() => {
      if (before === undefined) delete process.env['AWS_REGION'];
      else process.env['AWS_REGION'] = before;
    });
    for (const [name, path] of [
      ['AWS_CONFIG_FILE', '/dev/null'],
      ['AWS_SHARED_CREDENTIALS_FILE', '/dev/null'],
    ] as const)
      process.env[name] = path;
    delete process.env['AWS_REGION'];
    expect((await openStore('s3://bucket/etcd?region=eu-1', 'orders', common)).url).toBe('s3://bucket/etcd/orders');
    expect((await openStore('s3://bucket?endpoint=http://[::1]:9000', 'orders', common)).url).toBe(
      's3://bucket/orders',
    );
    const error = await errorOf(openStore('s3://bucket/etcd', 'orders', common));
    expect([error.code, error.remedy]).toEqual(['store-url-invalid', expect.stringContaining('AWS_REGION')]);
    process.env['AWS_REGION'] = 'eu-1';
    expect((await openStore('s3://bucket/etcd', 'orders', common)).url).toBe('s3://bucket/etcd/orders');
  });

  it.each(['', '..', '.', 'a/b', 'A', '-a'])('refuses the cluster %j', async (cluster) => {
    expect((await errorOf(openStore('file:///tmp/x', cluster, common))).code).toBe('store-url-invalid');
  });
});
