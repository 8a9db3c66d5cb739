import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { collect, databaseOf, errorOf, facts, snapshotOf, streamOf } from './streams.ts';

const clock: Clock = { ...systemClock, now: () => Date.UTC(2026, 10, 20, 15, 29, 48) };
const database = databaseOf(3 * 1024 * 1024);

const backUp = (store: MemoryStore) =>
  takeBackup({ source: streamOf(snapshotOf(database)), store, facts, clock, log: silentLogger });

describe('verifyBackup', () => {
  const name = '2026-11-20T15:29:48Z-000000';
  const archiveKey = `${name}/etcd.backup.gz`;

  async function stored(alter: (archive: Buffer) => Uint8Array, hasProof = true) {
    const store = createMemoryStore();
    await backUp(store);
    if (!hasProof) await store.delete(`${name}/_quorate.json`);
    store.objects.set(archiveKey, alter(Buffer.from(await collect(await store.open(archiveKey)))));
    return verifyBackup(store, name, { clock });
  }
  const flip = (at: number) => (archive: Buffer) => {
    archive[at] = (archive[at] ?? 0) ^ 0x10;
    return archive;
  };

  it.each([true, false])('finds the archive whole (proof: %s)', async (hasProof) => {
    const result = await stored((archive) => archive, hasProof);
    expect(result).toMatchObject({ whole: true, hasProof, problems: [], snapshot: { dbSizeBytes: database.length } });
  });

  it.each<[string, (archive: Buffer) => Uint8Array]>([
    ['an altered byte of the header', flip(0)],
    ['an altered byte of the content', flip(300_000)],
    ['a missing end', (archive) => archive.subarray(0, -1)],
    ['a missing half', (archive) => archive.subarray(0, archive.length / 2)],
    ['nothing at all', () => new Uint8Array(0)],
    ['bytes after the end', (archive) => Buffer.concat([archive, Buffer.from('xyz')])],
    ['zeros after the end', (archive) => Buffer.concat([archive, new Uint8Array(1_000_000)])],
    ['no gzip at all', () => databaseOf(1_000_000)],
  ])('finds %s, with and without a proof', async (_what, alter) => {
    for (const hasProof of [true, false]) {
      const result = await stored(alter, hasProof);
      expect(result.whole).toBe(false);
      expect(result.problems).not.toEqual([]);
    }
  });

  it('tells the hash of the whole archive also when it cannot be unpacked', async () => {
    const bytes = databaseOf(1_000_000);
    const result = await stored(() => bytes);
    expect(result).toMatchObject({ sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
  });

  it('finds a damaged proof and a damaged meta', async () => {
    const store = createMemoryStore();
    await backUp(store);
    await store.write(`${name}/_quorate.json`, '{}');
    await store.write(`${name}/_etcd_backup.meta`, '{}');
    const { whole, problems } = await verifyBackup(store, name, { clock });
    expect(whole).toBe(false);
    expect(problems).toHaveLength(2);
  });

  it('rejects for what is not there, no name, or a store that is away', async () => {
    const store = createMemoryStore();
    expect((await errorOf(verifyBackup(store, name, { clock }))).code).toBe('object-not-found');
    expect((await errorOf(verifyBackup(store, '../x', { clock }))).code).toBe('backup-name-invalid');
    store.faults.away = true;
    expect((await errorOf(verifyBackup(store, name, { clock }))).code).toBe('store-unreachable');
  });
});
