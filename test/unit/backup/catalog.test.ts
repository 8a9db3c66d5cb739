import { describe, expect, it } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runBackupList, runBackupVerify } from '../../../src/cli/backup.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { databaseOf, errorOf, facts, snapshotOf, streamOf } from './streams.ts';

const start = Date.UTC(2026, 10, 20, 15, 29, 48);
const at = (ms: number): Clock => ({ ...systemClock, now: () => ms });
const snapshot = snapshotOf(databaseOf(4096));

async function backUp(store: MemoryStore, ms: number): Promise<string> {
  const request = { source: streamOf(snapshot), store, facts, clock: at(ms), log: silentLogger };
  return (await takeBackup(request)).name;
}

const theirMeta =
  '{"etcdVersion":"3.4.13","timestamp":"1606000000","clusterSpec":{"memberCount":1,"etcdVersion":"3.4.13"}}';

describe('BackupCatalog', () => {
  it('lists newest first, another program’s backups too, and nothing without a meta', async () => {
    const store = createMemoryStore();
    const names = [await backUp(store, start), await backUp(store, start + 5000), await backUp(store, start + 1000)];
    await store.write('2020-11-21T23:06:40Z-000001/_etcd_backup.meta', theirMeta);
    await store.write('2020-11-21T23:06:40Z-000001/etcd.backup.gz', 'x');
    await store.write('2026-11-20T15:30:00Z-000000/etcd.backup.gz', 'x');
    await store.write('control/quorate.json', '{}');
    await store.write('control/_etcd_backup.meta', theirMeta);
    const { backups, diagnostics } = await new BackupCatalog(store).list();
    expect(backups.map((backup) => backup.name)).toEqual([names[1], names[2], names[0], '2020-11-21T23:06:40Z-000001']);
    expect(backups[3]).toEqual({
      name: '2020-11-21T23:06:40Z-000001',
      takenAtMs: 1_606_000_000_000,
      etcdVersion: '3.4.13',
      memberCount: 1,
    });
    expect(diagnostics).toEqual([]);
  });

  it('reads each meta and proof once, however often it looks', async () => {
    const store = createMemoryStore();
    for (let index = 0; index < 5; index++) await backUp(store, start + index * 1000);
    const catalog = new BackupCatalog(store);
    const first = await catalog.list();
    const reads = store.calls.read;
    expect(await catalog.list()).toEqual(first);
    expect(store.calls.read).toBe(reads);
    await backUp(store, start + 60_000);
    const before = store.calls.read;
    expect((await catalog.list()).backups).toHaveLength(6);
    expect(store.calls.read).toBe(before + 2);
    await store.delete(`${first.backups[0]?.name ?? ''}/_etcd_backup.meta`);
    expect((await catalog.list()).backups).toHaveLength(5);
  });

  it.each<[string, string, number, (store: MemoryStore, name: string) => unknown]>([
    ['a broken meta', 'backup-meta-invalid', 1, (store, name) => store.write(`${name}/_etcd_backup.meta`, '{')],
    ['a missing archive', 'backup-archive-damaged', 1, (store, name) => store.delete(`${name}/etcd.backup.gz`)],
    ['an empty archive', 'backup-archive-damaged', 1, (store, name) => store.write(`${name}/etcd.backup.gz`, '')],
    ['an archive cut short', 'backup-archive-damaged', 1, (store, name) => store.write(`${name}/etcd.backup.gz`, 'x')],
    ['a broken proof', 'backup-proof-invalid', 2, (store, name) => store.write(`${name}/_quorate.json`, '{}')],
  ])('reports %s and lists the others', async (_what, code, count, spoil) => {
    const store = createMemoryStore();
    const good = await backUp(store, start);
    const bad = await backUp(store, start + 1000);
    const catalog = new BackupCatalog(store);
    expect((await catalog.list()).backups).toHaveLength(2);
    const kept = new Map(store.objects);
    await spoil(store, bad);
    const { backups, diagnostics } = await catalog.list();
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code]);
    expect(diagnostics[0]?.file).toContain(bad);
    expect(backups).toHaveLength(count);
    expect(backups.find((backup) => backup.name === good)?.proof).toBeDefined();
    expect(backups.find((backup) => backup.name === bad)?.proof).toBeUndefined();
    for (const [key, bytes] of kept) store.objects.set(key, bytes);
    expect(await catalog.list()).toMatchObject({ backups: [{ name: bad }, { name: good }], diagnostics: [] });
  });

  it('does not take a store that is away for one without backups', async () => {
    const store = createMemoryStore();
    await backUp(store, start);
    const catalog = new BackupCatalog(store);
    await catalog.list();
    store.faults.away = true;
    expect((await errorOf(catalog.list())).code).toBe('store-unreachable');
  });
});

describe('quorate backup', () => {
  const command = (store: MemoryStore, format: 'text' | 'json') => {
    const printed: string[] = [];
    const notices: string[] = [];
    const print = (text: string) => void printed.push(text);
    const printNotice = (text: string) => void notices.push(text);
    return { printed, notices, options: { store, clock: at(start + 3_723_000), format, print, printNotice } };
  };

  it('list shows a table, and JSON with the same', async () => {
    const store = createMemoryStore();
    const name = await backUp(store, start);
    await store.write('2020-11-21T23:06:40Z-000001/_etcd_backup.meta', theirMeta);
    await store.write('2020-11-21T23:06:40Z-000001/etcd.backup.gz', 'x');
    const text = command(store, 'text');
    expect(await runBackupList(text.options)).toBe(0);
    const lines = text.printed.join('').split('\n');
    expect(lines[0]).toMatch(/^NAME +AGE +SIZE +DATABASE +REVISION +MEMBERS +VERSION +VERIFIED +CLUSTER +REASON$/);
    expect(lines[1]).toMatch(
      new RegExp(`^${name} +1h 2m +[0-9.]+ (KiB|B) +4\\.0 KiB +42 +3 +3\\.5\\.33 +yes +[0-9a-f]+ +before-change$`),
    );
    expect(lines[2]).toMatch(/^2020-11-21T23:06:40Z-000001 .* - +- +- +1 +3\.4\.13 +no proof +- +-$/);
    const json = command(store, 'json');
    expect(await runBackupList(json.options)).toBe(0);
    expect(JSON.parse(json.printed.join(''))).toMatchObject({
      formatVersion: '1.0',
      backups: [
        { name, at: '2026-11-20T15:29:48Z', verified: true, revision: 42, dbSizeBytes: 4096 },
        { verified: false, verifiedAt: null, revision: null, sha256: null },
      ],
      diagnostics: [],
    });
  });

  it('list tells of damaged ones and ends with 1', async () => {
    const store = createMemoryStore();
    const none = command(store, 'text');
    expect(await runBackupList(none.options)).toBe(0);
    expect(none.printed).toEqual(['No backups.\n']);
    const name = await backUp(store, start);
    await store.write(`${name}/_etcd_backup.meta`, '{');
    const { options, notices } = command(store, 'text');
    expect(await runBackupList(options)).toBe(1);
    expect(notices).toEqual([expect.stringMatching(/^error: A backup cannot be read\./)]);
  });

  it('verify says whole or damaged, by text, JSON and exit code', async () => {
    const store = createMemoryStore();
    const name = await backUp(store, start);
    const whole = command(store, 'text');
    expect(await runBackupVerify(whole.options, name)).toBe(0);
    expect(whole.printed.join('')).toMatch(
      /: whole\n {2}archive .*\n {2}database {2}4\.0 KiB, SHA-256 [0-9a-f]{64} matches\n$/,
    );
    const bytes = store.objects.get(`${name}/etcd.backup.gz`);
    if (bytes !== undefined) bytes[30] = (bytes[30] ?? 0) ^ 1;
    const damaged = command(store, 'json');
    expect(await runBackupVerify(damaged.options, name)).toBe(1);
    expect(JSON.parse(damaged.printed.join(''))).toMatchObject({
      formatVersion: '1.0',
      name,
      whole: false,
      snapshot: null,
    });
  });
});
