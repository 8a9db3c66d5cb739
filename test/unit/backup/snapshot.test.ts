import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BackupCatalog, listBackups } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { type BackupProgress, type BackupRequest, takeBackup } from '../../../src/backup/snapshot.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { databaseOf, errorOf, facts, snapshotOf, streamOf } from './streams.ts';

const takenAtMs = Date.UTC(2026, 10, 20, 15, 29, 48, 250);
const clock: Clock = { ...systemClock, now: () => takenAtMs };
const database = databaseOf(3 * 1024 * 1024);
const snapshot = snapshotOf(database);

function backUp(store: ObjectStore, changes: Partial<BackupRequest> = {}) {
  return takeBackup({ source: streamOf(snapshot), store, facts, clock, log: silentLogger, ...changes });
}

const keysIn = async (store: ObjectStore) => (await store.list('')).map((object) => object.key);

describe('takeBackup', () => {
  it('writes the three files of the shared format, and gives what it lists', async () => {
    const store = createMemoryStore();
    const backup = await backUp(store);
    const name = '2026-11-20T15:29:48Z-000000';
    expect(await keysIn(store)).toEqual(
      ['_etcd_backup.meta', '_quorate.json', 'etcd.backup.gz'].map((file) => `${name}/${file}`),
    );
    const archive = Buffer.from(store.objects.get(`${name}/etcd.backup.gz`) ?? []);
    expect(gunzipSync(archive).equals(snapshot)).toBe(true);
    const { etcdVersion, memberCount, ...known } = facts;
    expect(backup).toEqual({
      name,
      takenAtMs: Math.floor(takenAtMs / 1000) * 1000,
      etcdVersion,
      memberCount,
      proof: {
        formatVersion: '1.0',
        ...known,
        sha256: createHash('sha256').update(archive).digest('hex'),
        sizeBytes: archive.length,
        dbSizeBytes: database.length,
        verifiedAtMs: takenAtMs,
      },
    });
    expect(await listBackups(store)).toEqual([backup]);
    expect(await verifyBackup(store, name, { clock })).toMatchObject({ whole: true, hasProof: true, problems: [] });
  });

  it('writes the meta last, after the archive was read back and the proof written', async () => {
    const memory = createMemoryStore();
    const order: string[] = [];
    const store: ObjectStore = {
      ...memory,
      write: async (key, content, condition) => {
        order.push(`write ${key.split('/')[1] ?? key}`);
        await memory.write(key, content, condition);
      },
      writeStream: async (key, content) => {
        order.push('stream');
        return memory.writeStream(key, content);
      },
      open: async (key) => {
        order.push('read back');
        return memory.open(key);
      },
    };
    await backUp(store);
    expect(order).toEqual([
      'write _claim.json',
      'stream',
      'read back',
      'write _quorate.json',
      'write _etcd_backup.meta',
    ]);
  });

  it('takes the next free suffix of the second, also beside another program’s backup and at once', async () => {
    const store = createMemoryStore();
    await store.write('2026-11-20T15:29:48Z-000003/_etcd_backup.meta', '{"etcdVersion":"3.4.13"}');
    const taken = await Promise.all([1, 2, 3].map(() => backUp(store)));
    expect(taken.map((backup) => backup.name.slice(-6)).toSorted()).toEqual(['000004', '000005', '000006']);
    for (const { name } of taken) expect((await verifyBackup(store, name, { clock })).whole).toBe(true);
  });

  it('tells how far it is', async () => {
    const seen: BackupProgress[] = [];
    const { proof } = await backUp(createMemoryStore(), { progress: (progress) => seen.push(progress) });
    const last = (phase: string) => seen.findLast((progress) => progress.phase === phase);
    expect(last('writing')).toMatchObject({ snapshotBytes: snapshot.length, storedBytes: proof?.sizeBytes });
    expect(last('reading-back')).toMatchObject({ snapshotBytes: snapshot.length, storedBytes: proof?.sizeBytes });
  });
});

describe('a backup that fails leaves nothing', () => {
  const altered = Buffer.from(snapshot);
  altered[1_000_000] = (altered[1_000_000] ?? 0) ^ 1;

  async function* broken(): AsyncGenerator<Uint8Array> {
    yield snapshot.subarray(0, 2_000_000);
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  }
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield snapshot.subarray(0, 2_000_000);
    await new Promise<never>(() => {});
  }

  it.each<[string, string, () => Partial<BackupRequest>]>([
    ['an empty stream', 'snapshot-corrupt', () => ({ source: streamOf(new Uint8Array(0)) })],
    ['less than a hash', 'snapshot-corrupt', () => ({ source: streamOf(snapshot.subarray(0, 31)) })],
    ['a missing hash', 'snapshot-corrupt', () => ({ source: streamOf(database) })],
    ['a missing end', 'snapshot-corrupt', () => ({ source: streamOf(snapshot.subarray(0, -1)) })],
    ['a missing page', 'snapshot-corrupt', () => ({ source: streamOf(snapshot.subarray(512)) })],
    ['an altered bit', 'snapshot-corrupt', () => ({ source: streamOf(altered) })],
    ['a broken connection', 'backup-failed', () => ({ source: broken() })],
    ['a silent source', 'stream-stalled', () => ({ source: silent(), stallTimeoutMs: 60 })],
    ['an abort', 'backup-failed', () => ({ source: silent(), signal: AbortSignal.timeout(30) })],
    ['an abort before it began', 'backup-failed', () => ({ signal: AbortSignal.abort() })],
  ])('%s: %s', async (_what, code, changes) => {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-snapshot-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const store = openFileStore({ folder, cluster: 'orders', clock: systemClock, log: silentLogger });
    expect((await errorOf(backUp(store, changes()))).code).toBe(code);
    expect(await keysIn(store)).toEqual([]);
    expect((await readdir(join(folder, 'orders'))).toSorted()).toEqual(['.quorate-store', '.quorate-work']);
    expect(await readdir(join(folder, 'orders', '.quorate-work'))).toEqual([]);
  });

  it.each<[string, string, (store: MemoryStore) => ObjectStore]>([
    [
      'an archive that is stored altered',
      'backup-altered',
      (store) => ({
        ...store,
        writeStream: async (key, content) => {
          const written = await store.writeStream(key, content);
          const bytes = store.objects.get(key);
          if (bytes !== undefined) bytes[500] = (bytes[500] ?? 0) ^ 1;
          return written;
        },
      }),
    ],
    [
      'an archive that is stored in part',
      'backup-altered',
      (store) => ({
        ...store,
        writeStream: async (key, content) => {
          const written = await store.writeStream(key, content);
          store.objects.set(key, (store.objects.get(key) ?? new Uint8Array(0)).subarray(0, -1));
          return written;
        },
      }),
    ],
    [
      'a disk that is full in mid-stream',
      'store-full',
      (store) => {
        store.faults.freeBytes = 400_000;
        return store;
      },
    ],
    [
      'a disk that is full for the meta',
      'store-full',
      (store) => ({
        ...store,
        write: async (key, content, condition) => {
          if (key.endsWith('.meta')) store.faults.freeBytes = 10;
          await store.write(key, content, condition);
        },
      }),
    ],
    [
      'a store that keeps the meta and then says no',
      'store-unreachable',
      (store) => ({
        ...store,
        write: async (key, content, condition) => {
          await store.write(key, content, condition);
          if (!key.endsWith('.meta')) return;
          store.faults.away = true;
          await store.read(key).finally(() => {
            store.faults.away = false;
          });
        },
      }),
    ],
  ])('%s: %s', async (_what, code, spoil) => {
    const store = createMemoryStore();
    expect((await errorOf(backUp(spoil(store)))).code).toBe(code);
    expect(await keysIn(store)).toEqual([]);
  });

  it('listed, even when the store goes away and nothing can be cleared', async () => {
    const store = createMemoryStore();
    const error = await errorOf(
      backUp(store, {
        progress: ({ phase }) => {
          store.faults.away = phase === 'reading-back';
        },
      }),
    );
    expect(error.code).toBe('store-unreachable');
    store.faults.away = false;
    expect(await new BackupCatalog(store).list()).toEqual({ backups: [], diagnostics: [] });
    expect(await keysIn(store)).not.toEqual([]);
    // A day later the next backup clears it away.
    const later = await backUp(store, { clock: { ...clock, now: () => takenAtMs + 90_000_000 } });
    expect((await keysIn(store)).every((key) => key.startsWith(later.name))).toBe(true);
  });

  it('of another writer harmed: an unfinished backup without our claim stays', async () => {
    const store = createMemoryStore();
    await store.write('2020-01-01T00:00:00Z-000001/etcd.backup.gz', 'theirs, being written');
    await backUp(store);
    expect(await keysIn(store)).toContain('2020-01-01T00:00:00Z-000001/etcd.backup.gz');
  });
});
