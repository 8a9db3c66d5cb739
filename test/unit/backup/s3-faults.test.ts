import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { keysOf } from '../../../src/backup/backup-name.ts';
import { listBackups } from '../../../src/backup/catalog.ts';
import { removeLeftovers } from '../../../src/backup/leftovers.ts';
import { openS3Store } from '../../../src/backup/s3-store.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { parseStoreUrl } from '../../../src/base/store-url.ts';
import type { ProxiedRequest } from '../../support/fault-proxy.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { backUp, incompressible, MiB, openIt, openProxied, unfinishedUploads } from './s3-fixture.ts';
import { collect, databaseOf, errorOf, snapshotOf, streamOf } from './streams.ts';

const isPart = ({ path }: ProxiedRequest): boolean => path.includes('partNumber=');
const isCompletion = ({ method, path }: ProxiedRequest): boolean => method === 'POST' && path.includes('uploadId=');
const isArchive = ({ method, path }: ProxiedRequest): boolean => method === 'GET' && path.includes('etcd.backup.gz');
const dayMs = 86_400_000;

describe.skipIf(s3SkipReason() !== undefined)('the S3 store in trouble', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
  });
  afterAll(() => server.stop());

  it('lists nothing of an upload that is cut, aborts it, and works the next time', async () => {
    const { store, proxied, proxy, prefix } = await openProxied(server);
    const snapshot = incompressible(18);
    Object.assign(proxy.faults, { concerns: isPart, cutRequestAfterBytes: 3 * MiB });
    expect((await errorOf(backUp(proxied, snapshot))).code).toBe('store-unreachable');
    expect(proxy.requests.some(({ wasHit }) => wasHit)).toBe(true);
    expect(await store.list('')).toEqual([]);
    expect(await unfinishedUploads(server, prefix)).toEqual([]);
    proxy.heal();
    const { name } = await backUp(proxied, snapshot);
    expect(await verifyBackup(store, name, { clock: systemClock })).toMatchObject({ whole: true });
  });

  it('sends a part again that was cut once', async () => {
    const { proxied, proxy } = await openProxied(server);
    Object.assign(proxy.faults, { concerns: isPart, cutRequestAfterBytes: 3 * MiB, times: 1 });
    const bytes = randomBytes(18 * MiB);
    await proxied.writeStream('x/y', streamOf(bytes, MiB));
    expect(proxy.requests.filter(({ wasHit }) => wasHit)).toHaveLength(1);
    expect((await collect(await proxied.open('x/y'))).equals(bytes)).toBe(true);
  });

  it('sweeps an upload whose server went away a day ago, and none that may still be going on', async () => {
    const { store, proxied, proxy, prefix } = await openProxied(server);
    async function* interrupted(): AsyncGenerator<Uint8Array> {
      for (let part = 0; part < 40; part++) {
        if (proxy.requests.filter(isPart).length > 1) proxy.faults.away = true;
        yield randomBytes(MiB);
      }
    }
    expect((await errorOf(proxied.writeStream('x/y', interrupted()))).code).toBe('store-unreachable');
    expect(await unfinishedUploads(server, prefix)).toEqual([`${prefix}/orders/x/y`]);
    const other = await openIt(server.storeUrl(`${prefix}-other`));
    expect(await other.removeUnfinishedUploads(Date.now() + dayMs)).toBe(0);
    await removeLeftovers(store, systemClock, silentLogger);
    expect(await unfinishedUploads(server, prefix)).toHaveLength(1);
    await removeLeftovers(store, { ...systemClock, now: () => Date.now() + dayMs + 60_000 }, silentLogger);
    expect(await unfinishedUploads(server, prefix)).toEqual([]);
    expect(await store.removeUnfinishedUploads(Date.now() + dayMs)).toBe(0);
  });

  it("gives the source's own error, and keeps no parts of it", async () => {
    const { store, prefix } = await openProxied(server);
    async function* failing(): AsyncGenerator<Uint8Array> {
      for (let part = 0; part < 20; part++) yield randomBytes(MiB);
      throw new TypeError('the source broke');
    }
    await expect(store.writeStream('x/y', failing())).rejects.toThrow(new TypeError('the source broke'));
    expect(await unfinishedUploads(server, prefix)).toEqual([]);
    expect(await store.list('')).toEqual([]);
  });

  it('never takes a broken download for the end of one', async () => {
    const { proxied, proxy } = await openProxied(server);
    const { name } = await backUp(proxied, incompressible(2));
    await proxied.write('control/a', 'x'.repeat(1000));
    for (const bytes of [0, 1, MiB]) {
      proxy.heal();
      Object.assign(proxy.faults, { concerns: isArchive, cutResponseAfterBytes: bytes });
      const error = await errorOf(verifyBackup(proxied, name, { clock: systemClock }));
      expect(error.code).toBe('store-unreachable');
    }
    proxy.heal();
    proxy.faults.cutResponseAfterBytes = 500;
    expect((await errorOf(proxied.read('control/a'))).code).toBe('store-unreachable');
    proxy.heal();
    expect(await verifyBackup(proxied, name, { clock: systemClock })).toMatchObject({ whole: true });
  });

  it('waits for a slow server', async () => {
    const { proxied, proxy } = await openProxied(server);
    proxy.faults.bytesPerSecond = 2 * MiB;
    const bytes = randomBytes(MiB);
    const startedMs = performance.now();
    await proxied.writeStream('x/y', streamOf(bytes));
    expect((await collect(await proxied.open('x/y'))).equals(bytes)).toBe(true);
    expect(performance.now() - startedMs).toBeGreaterThan(700);
  });

  it('gives a silent server up in time, in the middle of a download too, and uses it again later', async () => {
    const prefix = `t-${randomBytes(6).toString('hex')}`;
    const own = await startS3Server();
    onTestFinished(() => own.stop());
    const parsed = parseStoreUrl(own.storeUrl(prefix));
    if (!parsed.valid || parsed.location.type !== 's3') throw new Error('it is the URL of a bucket');
    const timeouts = { connectTimeoutMs: 1000, idleTimeoutMs: 1500 };
    const store = await openS3Store({ location: parsed.location, cluster: 'orders', log: silentLogger, timeouts });
    const bytes = randomBytes(60 * MiB);
    await store.writeStream('x/y', streamOf(bytes, MiB));
    const stream = await store.open('x/y');
    own.pause();
    expect((await errorOf(collect(stream))).code).toBe('store-unreachable');
    expect((await errorOf(store.read('control/a'))).code).toBe('store-unreachable');
    own.resume();
    expect(await store.list('')).toEqual([{ key: 'x/y', sizeBytes: bytes.length }]);
  });

  it('tries again when the server is overloaded for a moment, and says so when for long', async () => {
    const { proxied, proxy } = await openProxied(server);
    Object.assign(proxy.faults, { answerStatus: 503, times: 2 });
    await proxied.write('a', 'b', { type: 'if-absent' });
    expect(proxy.requests.map(({ wasHit }) => wasHit)).toEqual([true, true, false]);
    proxy.faults.times = Number.POSITIVE_INFINITY;
    const before = proxy.requests.length;
    expect((await errorOf(proxied.read('a'))).code).toBe('store-unreachable');
    expect(proxy.requests.length - before).toBe(4);
    proxy.heal();
    expect((await proxied.read('a'))?.content).toBe('b');
  });

  it('is away and comes back', async () => {
    const { proxied, proxy } = await openProxied(server);
    await proxied.write('a', 'b');
    proxy.faults.away = true;
    for (const act of [() => proxied.read('a'), () => proxied.list(''), () => proxied.write('a', 'c')])
      expect((await errorOf(act())).code).toBe('store-unreachable');
    proxy.faults.away = false;
    expect((await proxied.read('a'))?.content).toBe('b');
  });

  it.each([
    [403, 'store-denied', /s3:PutObject/],
    [507, 'store-full', /space/],
  ])('answers %i with %s', async (status, code, remedy) => {
    const { store, proxied, proxy } = await openProxied(server);
    proxy.faults.answerStatus = status;
    const acts = [() => proxied.write('a', 'b'), () => proxied.writeStream('a', streamOf(new Uint8Array(9)))];
    for (const act of acts) {
      const error = await errorOf(act());
      expect([error.code, error.remedy]).toEqual([code, expect.stringMatching(remedy)]);
    }
    expect(await store.list('')).toEqual([]);
  });

  it('takes an object that nobody may read for no absent one', async () => {
    const { proxied, proxy } = await openProxied(server);
    proxy.faults.answerStatus = 403;
    for (const act of [
      () => proxied.read('a'),
      () => proxied.open('a'),
      () => proxied.list(''),
      () => proxied.delete('a'),
    ])
      expect((await errorOf(act())).code).toBe('store-denied');
  });

  it('says what is wrong with wrong credentials, without showing them', async () => {
    const secret = `wrong-${randomBytes(12).toString('hex')}`;
    Object.assign(process.env, { AWS_SECRET_ACCESS_KEY: secret });
    onTestFinished(() => void Object.assign(process.env, server.env));
    const store = await openIt(server.storeUrl('p'));
    const error = await errorOf(store.write('a', 'b'));
    expect(error.code).toBe('store-denied');
    expect(describeError(error)).toContain('SignatureDoesNotMatch');
    expect(`${describeError(error)} ${JSON.stringify(error)} ${error.stack}`).not.toContain(secret);
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
    const none = await errorOf((await openIt(server.storeUrl('p'))).read('a'));
    expect([none.code, none.summary]).toEqual(['store-denied', expect.stringContaining('no credentials')]);
  });

  it('knows its own write again when the answer was lost', async () => {
    const { store, proxied, proxy } = await openProxied(server);
    Object.assign(proxy.faults, {
      concerns: ({ method }: ProxiedRequest) => method === 'PUT',
      dropAnswer: true,
      times: 1,
    });
    await proxied.write('a', 'one', { type: 'if-absent' });
    const tag = (await store.read('a'))?.tag ?? '';
    proxy.faults.times = 1;
    await proxied.write('a', 'two', { type: 'if-tag', tag });
    expect((await store.read('a'))?.content).toBe('two');
    Object.assign(proxy.faults, { concerns: isCompletion, times: 1 });
    await proxied.writeStream('x/y', streamOf(randomBytes(9 * MiB), MiB));
    expect(proxy.requests.filter(({ wasHit }) => wasHit)).toHaveLength(3);
    expect((await store.list('x/')).map(({ sizeBytes }) => sizeBytes)).toEqual([9 * MiB]);
    // The same content from somebody else is not one's own write.
    expect((await errorOf(proxied.write('a', 'two', { type: 'if-absent' }))).code).toBe('store-conflict');
  });

  it('lists no backup that is read back differently', async () => {
    const { store, proxied, proxy } = await openProxied(server);
    Object.assign(proxy.faults, { concerns: isArchive, alterResponseByte: 100_000 });
    expect((await errorOf(backUp(proxied, incompressible(1)))).code).toBe('backup-altered');
    expect(await store.list('')).toEqual([]);
  });

  it('finds an altered byte in a stored backup, and lists none without its meta', async () => {
    const { store, prefix } = await openProxied(server);
    const { name } = await backUp(store, snapshotOf(databaseOf(MiB)));
    const file = await open(join(server.folder, prefix, 'orders', keysOf(name).archive), 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 5000);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 5000);
    await file.close();
    const { whole, problems } = await verifyBackup(store, name, { clock: systemClock });
    expect([whole, problems.length > 0]).toEqual([false, true]);
    await store.delete(keysOf(name).meta);
    expect(await listBackups(store)).toEqual([]);
  });
});
