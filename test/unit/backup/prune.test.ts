import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keysOf } from '../../../src/backup/backup-name.ts';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { judgeStore, type PruneReport, pruneBackups } from '../../../src/backup/prune.ts';
import { writeRecord } from '../../../src/backup/record.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { ObjectStore, RecordedRestore } from '../../../src/backup/store.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { type Clock, formatTime, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { KeepSpec } from '../../../src/spec/cluster-spec.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { fullRecord } from './records.ts';
import { databaseOf, errorOf, facts, snapshotOf, streamOf } from './streams.ts';

const hourMs = 3_600_000;
const start = Date.UTC(2026, 10, 1, 0, 30);
const at = (ms: number): Clock => ({ ...systemClock, now: () => ms });
const snapshot = snapshotOf(databaseOf(4096));
const keep: KeepSpec = { last: 2, hourly: 0, daily: 0, weekly: 0 };
const theirMeta = '{"etcdVersion":"3.4.13","timestamp":"1606000000","clusterSpec":{"memberCount":1}}';

async function backUp(store: ObjectStore, ms: number, reason = 'periodic'): Promise<string> {
  const source = streamOf(snapshot);
  const told = { ...facts, reason, run: reason === 'before-change' ? 'r1' : null };
  return (await takeBackup({ source, store, facts: told, clock: at(ms), log: silentLogger })).name;
}

/** One an hour, the oldest first; gives their names and the time an hour after the last. */
async function fill(store: ObjectStore, count: number): Promise<{ names: readonly string[]; nowMs: number }> {
  const names: string[] = [];
  for (let index = 0; index < count; index++) names.push(await backUp(store, start + index * hourMs));
  return { names, nowMs: start + count * hourMs };
}

const prune = (
  store: ObjectStore,
  nowMs: number,
  more: Partial<Parameters<typeof pruneBackups>[0]> = {},
): Promise<PruneReport> =>
  pruneBackups({ store, cluster: 'orders', keep, named: [], clock: at(nowMs), log: silentLogger, ...more });

const listed = async (store: ObjectStore): Promise<readonly string[]> => {
  const { backups, diagnostics } = await new BackupCatalog(store).list();
  expect(diagnostics).toEqual([]);
  return backups.map(({ name }) => name).toReversed();
};
const foldersOf = async (store: ObjectStore): Promise<readonly string[]> => [
  ...new Set((await store.list('2')).map(({ key }) => key.split('/', 1)[0] ?? '')),
];

/** The calls of a store that change something; `before` is told of each and may throw instead. */
function watched(store: ObjectStore, before: (call: string) => void): ObjectStore {
  return {
    url: store.url,
    removeUnfinishedUploads: (beforeMs) => store.removeUnfinishedUploads(beforeMs),
    list: (prefix) => store.list(prefix),
    read: (key) => store.read(key),
    open: (key) => store.open(key),
    writeStream: (key, content) => store.writeStream(key, content),
    write: async (key, content, condition) => {
      before(`write ${key}`);
      await store.write(key, content, condition);
    },
    delete: async (key) => {
      before(`delete ${key}`);
      await store.delete(key);
    },
  };
}

describe.each(['memory', 'folder'])('pruning a store in a %s', (place) => {
  let folder: string;
  let store: ObjectStore;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-prune-'));
    store =
      place === 'memory'
        ? createMemoryStore()
        : openFileStore({ folder, cluster: 'orders', clock: systemClock, log: silentLogger });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('deletes what is not to be kept, all of it, and nothing else; then nothing more', async () => {
    const { names, nowMs } = await fill(store, 5);
    await store.write('control/etcd-cluster-created', '{"timestamp":1}');
    const verdicts = await judgeStore({ store, cluster: 'orders', keep, named: [], clock: at(nowMs) });
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(['keep', 'keep', 'delete', 'delete', 'delete']);
    expect(await listed(store)).toEqual(names);

    const report = await prune(store, nowMs);
    expect(report).toMatchObject({ verdicts, deleted: names.slice(0, 3), failed: [], left: 0 });
    expect(await listed(store)).toEqual(names.slice(3));
    expect(await foldersOf(store)).toEqual(names.slice(3));
    expect(await store.read('control/etcd-cluster-created')).toBeDefined();
    expect((await prune(store, nowMs)).deleted).toEqual([]);
    const entries = await readdir(place === 'folder' ? join(folder, 'orders') : folder);
    expect(entries.filter((entry) => entry.startsWith('2'))).toEqual(place === 'folder' ? names.slice(3) : []);
  });

  it('can die between any two calls: what is listed is whole, and the rest goes later', async () => {
    let isDone = false;
    for (let calls = 0; !isDone; calls++) {
      expect(calls).toBeLessThan(50);
      const base = calls * 1000 * hourMs;
      const names = [];
      for (let index = 0; index < 4; index++) names.push(await backUp(store, start + base + index * hourMs));
      const half = `${formatTime(start + base + 9_000)}-000777`;
      await store.write(`${half}/etcd.backup.gz`, 'being written by another program');
      const nowMs = start + base + 4 * hourMs;
      let left = calls;
      const dying = watched(store, () => {
        if (left-- <= 0) throw new Error('died');
      });
      const report = await prune(dying, nowMs);
      isDone = report.failed.length === 0;
      for (const name of await listed(store))
        expect((await verifyBackup(store, name, { clock: systemClock })).problems).toEqual([]);

      await prune(store, nowMs + 25 * hourMs);
      expect(await foldersOf(store)).toEqual([half, names[2], names[3]]);
      await store.delete(`${half}/etcd.backup.gz`);
      for (const key of Object.values(keysOf(names[2] ?? ''))) await store.delete(key);
      for (const key of Object.values(keysOf(names[3] ?? ''))) await store.delete(key);
    }
  });

  it('does no harm when two do it at once, while a third takes a backup', async () => {
    const { names, nowMs } = await fill(store, 12);
    const [one, two, fresh] = await Promise.all([prune(store, nowMs), prune(store, nowMs), backUp(store, nowMs)]);
    expect([...one.failed, ...two.failed]).toEqual([]);
    expect(new Set([...one.deleted, ...two.deleted])).toEqual(new Set(names.slice(0, 10)));
    expect(await listed(store)).toEqual([...names.slice(10), fresh]);
    expect(await foldersOf(store)).toEqual([...names.slice(10), fresh]);
  });

  it('goes on after a deletion that fails, and reports it', async () => {
    const { names, nowMs } = await fill(store, 5);
    const refusing = watched(store, (call) => {
      if (call === `delete ${names[1] ?? ''}/etcd.backup.gz`) throw new Error('no permission');
    });
    const report = await prune(refusing, nowMs);
    expect(report.deleted).toEqual([names[0], names[2]]);
    expect(report.failed).toEqual([{ name: names[1], error: 'no permission' }]);
    expect(await listed(store)).toEqual(names.slice(3));
    expect(await foldersOf(store)).toEqual([names[1], names[3], names[4]]);
    await prune(store, nowMs + 24 * hourMs);
    expect(await foldersOf(store)).toEqual(names.slice(3));
  });

  it('stops when nothing can be deleted any more, and says how many are left', async () => {
    const { names, nowMs } = await fill(store, 12);
    const report = await prune(
      watched(store, () => {
        throw new Error('read-only');
      }),
      nowMs,
    );
    expect(report).toMatchObject({ deleted: [], left: 5 });
    expect(report.failed).toHaveLength(5);
    expect(await listed(store)).toEqual(names);
  });

  it('deletes nothing while the record cannot be read', async () => {
    const { names, nowMs } = await fill(store, 5);
    await store.write('control/quorate.json', '{"formatVersion":');
    expect((await errorOf(prune(store, nowMs))).code).toBe('record-invalid');
    await store.write('control/quorate.json', JSON.stringify({ ...fullRecord, cluster: 'billing' }));
    expect((await errorOf(prune(store, nowMs))).code).toBe('record-of-another-cluster');
    expect(await listed(store)).toEqual(names);
  });

  it('keeps what the record, the spec, the last change or a command of etcd-manager needs', async () => {
    const { names, nowMs } = await fill(store, 8);
    const change = await backUp(store, start - hourMs, 'before-change');
    const restore: RecordedRestore = {
      type: 'restore',
      bootstrapId: 'again',
      token: 't',
      initialCluster: 'a=https://10.0.0.11:2380',
      hosts: ['a'],
      backup: names[1] ?? '',
      version: '3.5.33',
      bumpRevision: 0,
      replaces: null,
      commit: facts.commit ?? '',
      startedAtMs: nowMs,
    };
    await writeRecord(store, { ...fullRecord, operation: restore }, null);
    await store.write(
      'control/2026-11-01T09:00:00Z-000000/_command.json',
      `{"timestamp": 1, "restore_backup": {"backup": "${names[3] ?? ''}"}}`,
    );
    const named = [{ name: names[2] ?? '', by: 'the spec' }];
    const { deleted } = await prune(store, nowMs, { named });
    expect(deleted).toEqual([names[0], names[4], names[5]]);
    expect(await listed(store)).toEqual([change, names[1], names[2], names[3], names[6], names[7]]);
  });

  it('spares a backup whose restore begins in between', async () => {
    const { names, nowMs } = await fill(store, 4);
    let isBegun = false;
    const restore = { type: 'restore', bootstrapId: 'x', token: 't', initialCluster: 'a', hosts: [], backup: names[1] };
    const operation = { ...restore, version: '3.5.33', bumpRevision: 0, replaces: null, commit: 'a', startedAtMs: 1 };
    const record = JSON.stringify({ ...fullRecord, operation });
    const racing: ObjectStore = {
      ...watched(store, (call) => {
        if (call === `delete ${names[0] ?? ''}/_etcd_backup.meta`) isBegun = true;
      }),
      read: (key) =>
        isBegun && key === 'control/quorate.json' ? Promise.resolve({ content: record, tag: '1' }) : store.read(key),
    };
    const report = await prune(racing, nowMs);
    expect(report.deleted).toEqual([names[0]]);
    expect(report.failed.map(({ name }) => name)).toEqual([names[1]]);
    expect(await listed(store)).toEqual(names.slice(1));
  });

  it('leaves what cannot be read, and another program’s half backup, however old', async () => {
    const { names, nowMs } = await fill(store, 4);
    await store.write(`${names[0] ?? ''}/_etcd_backup.meta`, '{');
    await store.write('2020-11-21T23:06:40Z-000001/etcd.backup.gz', 'half');
    await store.write('2020-11-22T23:06:40Z-000001/_etcd_backup.meta', theirMeta);
    await store.write('2020-11-22T23:06:40Z-000001/etcd.backup.gz', 'whole');
    const { verdicts, deleted } = await prune(store, nowMs);
    expect(deleted).toEqual(['2020-11-22T23:06:40Z-000001', names[1]]);
    expect(verdicts.find(({ name }) => name === names[0])?.reasons).toEqual(['protected: its meta cannot be read']);
    expect(await foldersOf(store)).toEqual(['2020-11-21T23:06:40Z-000001', names[0], names[2], names[3]]);
  });

  it('keeps the newest 1000 runs and 200 drills', async () => {
    const old = (index: number): string => formatTime(start - index * 1000);
    for (let index = 0; index < 1003; index++) await store.write(`runs/${old(index)}-abcdef123456.json`, '{}');
    for (let index = 0; index < 202; index++) await store.write(`drills/${old(index)}-x.json`, '{}');
    await store.write('runs/notes.txt', 'of a person');
    expect((await prune(store, start)).historyDeleted).toBe(5);
    const keys = (await store.list('runs/')).map(({ key }) => key);
    expect(keys).toHaveLength(1001);
    expect(keys[0]).toBe(`runs/${old(999)}-abcdef123456.json`);
    expect(await store.list('drills/')).toHaveLength(200);
    expect((await prune(store, start)).historyDeleted).toBe(0);
  }, 60_000);
});

it('needs no room to make room', async () => {
  const store = createMemoryStore();
  const { names, nowMs } = await fill(store, 4);
  store.faults.freeBytes = 0;
  expect((await prune(store, nowMs)).deleted).toEqual(names.slice(0, 2));
  expect(await foldersOf(store)).toEqual(names.slice(2));
});

it('stops between two backups when it is told to', async () => {
  const store = createMemoryStore();
  const { names, nowMs } = await fill(store, 6);
  const stop = new AbortController();
  const stopping = watched(store, (call) => {
    if (call === `delete ${names[1] ?? ''}/_etcd_backup.meta`) stop.abort();
  });
  const report = await prune(stopping, nowMs, { signal: stop.signal });
  expect(report).toMatchObject({ deleted: names.slice(0, 2), failed: [], left: 2 });
  expect(await listed(store)).toEqual(names.slice(2));
});
