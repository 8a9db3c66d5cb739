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
    'http://h/',
  ])('refuses %j', async (url) => {
    expect((await errorOf(openStore(url, 'orders', common))).code).toBe('store-url-invalid');
  });

  it.each(['', '..', '.', 'a/b', 'A', '-a'])('refuses the cluster %j', async (cluster) => {
    expect((await errorOf(openStore('file:///tmp/x', cluster, common))).code).toBe('store-url-invalid');
  });
});
