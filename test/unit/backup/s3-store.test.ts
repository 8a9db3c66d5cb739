import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimName, keysOf } from '../../../src/backup/backup-name.ts';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { probeStore } from '../../../src/backup/probe-store.ts';
import { readRecord, writeRecord } from '../../../src/backup/record.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { emptyRecord } from './records.ts';
import { backUp, incompressible, MiB, openIt, openProxied } from './s3-fixture.ts';
import { startS3Writer } from './s3-writer-start.ts';
import { collect, databaseOf, errorOf, snapshotOf, streamOf } from './streams.ts';

describe.skipIf(s3SkipReason() !== undefined)('the S3 store', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
  });
  afterAll(() => server.stop());

  it('takes, lists and verifies a backup', async () => {
    const { store } = await openProxied(server);
    const { name, proof } = await backUp(store, snapshotOf(databaseOf(2 * MiB)));
    const { backups, diagnostics } = await new BackupCatalog(store).list();
    expect(diagnostics).toEqual([]);
    expect(backups).toMatchObject([{ name, proof: { sha256: proof?.sha256 } }]);
    expect(await verifyBackup(store, name, { clock: systemClock })).toMatchObject({ whole: true, problems: [] });
    expect((await store.list(`${name}/`)).map(({ key }) => key)).toEqual(
      [keysOf(name).meta, keysOf(name).proof, keysOf(name).archive].toSorted(),
    );
  });

  it('keeps clusters and prefixes apart, and the whole bucket is a place too', async () => {
    const { store, prefix } = await openProxied(server);
    await store.write('control/quorate.json', 'x');
    const whole = await openIt(server.storeUrl(''));
    await whole.write('control/quorate.json', 'y');
    expect(await whole.list('')).toHaveLength(1);
    expect((await store.read('control/quorate.json'))?.content).toBe('x');
    expect(store.url).toBe(`s3://${server.bucket}/${prefix}/orders`);
    await whole.delete('control/quorate.json');
  });

  it('lists more keys than one answer holds', { timeout: 90_000 }, async () => {
    const { store, proxied, proxy } = await openProxied(server);
    const keys = Array.from({ length: 1105 }, (_one, index) => `runs/${String(index).padStart(6, '0')}.json`);
    const work = keys.values();
    const write = async (): Promise<void> => {
      for (const key of work) await store.write(key, '{}');
    };
    await Promise.all(Array.from({ length: 8 }, write));
    expect((await proxied.list('')).map(({ key }) => key)).toEqual(keys);
    expect(proxy.requests).toHaveLength(2);
  });

  it('lets one of two writers of the record win, every time', async () => {
    const { store, proxied } = await openProxied(server);
    await writeRecord(store, emptyRecord, null);
    for (let round = 1; round <= 10; round++) {
      const stored = await readRecord(store, 'orders');
      const tag = stored?.tag ?? '';
      const results = await Promise.allSettled([
        writeRecord(store, { ...emptyRecord, members: 3, lastRevision: round }, tag),
        writeRecord(proxied, { ...emptyRecord, members: 5, lastRevision: round }, tag),
      ]);
      const won = results.map(({ status }) => status === 'fulfilled');
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await readRecord(store, 'orders'))?.record.members).toBe(won[0] === true ? 3 : 5);
    }
  });

  it('gives every writer a name of its own', async () => {
    const { store, proxied } = await openProxied(server);
    const at = systemClock.now();
    const sameSecond = { ...systemClock, now: () => at };
    const writers = [store, proxied, store, proxied, store, proxied];
    const names = await Promise.all(writers.map((writer) => claimName(writer, sameSecond)));
    expect(new Set(names).size).toBe(writers.length);
  });

  it('uploads in parts with bounded memory', { timeout: 120_000 }, async () => {
    const { store, prefix } = await openProxied(server);
    const told = await startS3Writer(server, prefix, 256);
    expect(told.sizeBytes).toBe(256 * MiB);
    expect(await store.list('')).toEqual([{ key: 'x/large', sizeBytes: 256 * MiB }]);
    // Parts in flight take about 40 MiB; the rest is garbage that was not collected yet.
    expect((told.rssMaxBytes - told.rssBeforeBytes) / MiB).toBeLessThan(128);
  });

  it('gives back an object of several parts byte for byte', async () => {
    const { store } = await openProxied(server);
    const bytes = randomBytes(17 * MiB + 3);
    expect(await store.writeStream('x/y', streamOf(bytes, 700_001))).toEqual({ sizeBytes: bytes.length });
    expect((await collect(await store.open('x/y'))).equals(bytes)).toBe(true);
    expect((await errorOf(store.writeStream('x/y', streamOf(bytes)))).code).toBe('store-conflict');
  });

  it('lets no upload in parts replace what appeared meanwhile', async () => {
    const { store } = await openProxied(server);
    async function* overtaken(): AsyncGenerator<Uint8Array> {
      for (let part = 0; part < 9; part++) yield randomBytes(MiB);
      await store.write('x/y', 'overtook');
    }
    expect((await errorOf(store.writeStream('x/y', overtaken()))).code).toBe('store-conflict');
    expect((await store.read('x/y'))?.content).toBe('overtook');
  });

  it('asks for encryption in every way of writing', async () => {
    const { proxied, proxy } = await openProxied(server, '&sse=AES256');
    await proxied.write('a', 'b');
    await proxied.writeStream('c', streamOf(incompressible(9)));
    const writes = proxy.requests.filter(
      ({ method, path }) => (method === 'PUT' && !path.includes('partNumber')) || path.includes('uploads'),
    );
    expect(writes.map(({ method }) => method)).toEqual(['PUT', 'POST']);
    for (const { headers } of writes) expect(headers['x-amz-server-side-encryption']).toBe('AES256');
  });

  it('is refused by the probe when something on the way drops the conditions', async () => {
    const { store, proxied, proxy } = await openProxied(server);
    await probeStore(proxied);
    for (const header of ['if-match', 'if-none-match']) {
      proxy.faults.stripHeaders = [header];
      expect((await errorOf(probeStore(proxied))).code).toBe('store-unconditional');
    }
    expect(await store.list('')).toEqual([]);
  });

  it('says what is wrong when the bucket is missing, and never looks empty', async () => {
    const missing = await openIt(server.storeUrl('p').replace('s3://backups', 's3://nowhere'));
    for (const act of [
      () => missing.list(''),
      () => missing.read('a'),
      () => missing.open('a'),
      () => missing.write('a', 'b'),
      () => missing.write('a', 'b', { type: 'if-absent' }),
      () => missing.write('a', 'b', { type: 'if-tag', tag: '"x"' }),
      () => missing.writeStream('a', streamOf(new Uint8Array(5))),
      () => missing.writeStream('a', streamOf(incompressible(9))),
      () => missing.removeUnfinishedUploads(0),
    ]) {
      const error = await errorOf(act());
      expect([error.code, error.summary]).toEqual(['store-unreachable', expect.stringContaining('does not exist')]);
    }
  });
});
