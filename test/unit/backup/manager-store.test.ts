import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { readManagerControl } from '../../../src/backup/manager-control.ts';
import { judgeStore, pruneBackups } from '../../../src/backup/prune.ts';
import { markClusterCreated } from '../../../src/backup/record.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { runBackupList } from '../../../src/cli/backup.ts';
import { restoreCommand } from '../../../src/etcd/snapshot-tool.ts';
import { type Minor, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { writeManagerStore } from '../../support/manager-store.ts';
import { realSnapshot } from '../etcd/real-snapshot.ts';
import { facts, streamOf } from './streams.ts';

const names = ['2026-11-18T15:29:48Z-000001', '2026-11-19T15:29:48Z-000999', '2026-11-20T15:29:48Z-000003'] as const;
const keys = { '/registry/one': 'first', '/registry/two': 'second' };

describe.skipIf(skipReason('v34') !== undefined)('a store that etcd-manager filled', () => {
  let folder: string;
  let snapshot: Buffer;
  const opened: ObjectStore[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-manager-'));
    snapshot = await realSnapshot('v34', keys);
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** A fresh store in a folder of its own, in all the ways of writing, with a restore that was not carried out. */
  async function fill(): Promise<ObjectStore> {
    const base = join(folder, String(opened.length));
    const styles = ['plain', 'snake', 'spaced'] as const;
    const backups = names.map((name, index) => ({
      name,
      etcdVersion: '3.4.23',
      style: styles[index] ?? 'plain',
      snapshot,
    }));
    const spec = { memberCount: 3, etcdVersion: '3.4.23', style: 'spaced' } as const;
    await writeManagerStore({ folder: base, cluster: 'main', backups, spec, pending: names[0] });
    const store = openFileStore({ folder: base, cluster: 'main', clock: systemClock, log: silentLogger });
    opened.push(store);
    return store;
  }

  it('is listed: names, times, versions and members, without proof, newest first', async () => {
    const store = await fill();
    const { backups, diagnostics } = await new BackupCatalog(store).list();
    expect(diagnostics).toEqual([]);
    expect(backups).toEqual(
      names.toReversed().map((name) => ({
        name,
        takenAtMs: Date.parse(name.slice(0, 20)),
        etcdVersion: '3.4.23',
        memberCount: 3,
      })),
    );
    let text = '';
    const printNotice = (notice: string): never => {
      throw new Error(notice);
    };
    const print = (part: string): void => void (text += part);
    expect(await runBackupList({ store, clock: systemClock, format: 'text', print, printNotice })).toBe(0);
    expect(text.split('\n')[1]).toMatch(new RegExp(`^${names[2]} .* 3 +3\\.4\\.23 +no proof`));
  });

  it('says what etcd-manager was told', async () => {
    expect(await readManagerControl(await fill())).toEqual({
      spec: { memberCount: 3, etcdVersion: '3.4.23' },
      isCreated: true,
      commands: [{ key: 'control/2026-11-20T16:13:19Z-000000/_command.json', backup: names[0] }],
    });
  });

  it.each(names)('verifies %s by the hash that the snapshot ends with', async (name) => {
    const result = await verifyBackup(await fill(), name, { clock: systemClock });
    expect(result).toMatchObject({ whole: true, hasProof: false, problems: [] });
    expect(result.snapshot?.dbSizeBytes).toBe(snapshot.byteLength - 32);
  });

  it('is pruned by the same rules, sparing what a pending command restores', async () => {
    const store = await fill();
    const keep = { last: 1, hourly: 0, daily: 0, weekly: 0 };
    const request = { store, cluster: 'main', keep, named: [], clock: systemClock, log: silentLogger };
    const verdicts = await judgeStore(request);
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(['keep', 'delete', 'keep']);
    expect(verdicts[2]?.reasons[0]).toBe('protected: named by control/2026-11-20T16:13:19Z-000000/_command.json');
    expect((await pruneBackups(request)).deleted).toEqual([names[1]]);
    const left = new Set((await store.list('')).map(({ key }) => key.split('/', 1)[0]));
    expect([...left]).toEqual([names[0], names[2], 'control']);
  });

  it('takes backups of our own beside it, and both stay listed', async () => {
    const store = await fill();
    const request = { source: streamOf(snapshot), store, facts, clock: systemClock, log: silentLogger };
    const { name } = await takeBackup(request);
    const { backups } = await new BackupCatalog(store).list();
    expect(backups.map((backup) => [backup.name, backup.proof !== undefined])).toEqual([
      [name, true],
      ...names.toReversed().map((theirs) => [theirs, false]),
    ]);
  });

  test.each<Minor>(['v34', 'v35'])(
    'is restored by the tool of %s, hash and all',
    async (minor) => {
      expect((await restoredData(await fill(), names[1], minor, folder)).includes('/registry/two')).toBe(true);
    },
    60_000,
  );
});

describe.skipIf(skipReason('v35') !== undefined)('what Quorate writes, by the rules of etcd-manager’s reader', () => {
  let folder: string;
  let store: ObjectStore;
  let name: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-manager-'));
    store = openFileStore({ folder, cluster: 'main', clock: systemClock, log: silentLogger });
    const source = streamOf(await realSnapshot('v35', keys));
    const told = { ...facts, etcdVersion: requireRelease('v35') };
    name = (await takeBackup({ source, store, facts: told, clock: systemClock, log: silentLogger })).name;
    await markClusterCreated(store, { memberCount: 3, etcdVersion: told.etcdVersion, createdAtMs: 1_795_219_460_000 });
  }, 60_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('has exactly the fields that it knows, in its own spelling: any other is fatal to it', async () => {
    const meta = (await store.read(`${name}/_etcd_backup.meta`))?.content ?? '';
    const version = requireRelease('v35');
    const seconds = /"timestamp": "([0-9]{10})"/.exec(meta)?.[1];
    const clusterSpec = { memberCount: 3, etcdVersion: version };
    expect(meta).toBe(JSON.stringify({ etcdVersion: version, timestamp: seconds, clusterSpec }, undefined, 2));
    expect((await store.read('control/etcd-cluster-spec'))?.content).toBe(
      `{"memberCount":3,"etcdVersion":"${version}"}`,
    );
    // Nanoseconds as a bare number, which its decoder of this file takes and the other would not.
    expect((await store.read('control/etcd-cluster-created'))?.content).toBe('{"timestamp":1795219460000000000}');
  });

  it('has one meta for each backup, in a folder that is named by its time and a suffix', async () => {
    const keysThere = (await store.list('')).map(({ key }) => key);
    expect(keysThere.filter((key) => key.endsWith('/_etcd_backup.meta'))).toEqual([`${name}/_etcd_backup.meta`]);
    expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-\d{6}$/);
  });

  test('is restored by etcd’s own tool with the hash check on', async () => {
    expect((await restoredData(store, name, 'v35', folder)).includes('/registry/two')).toBe(true);
  }, 60_000);
});

/** Unpacks as etcd-manager does, in one piece, and restores without skipping the check of the hash. Gives the database. */
async function restoredData(store: ObjectStore, name: string, minor: Minor, folder: string): Promise<Buffer> {
  const binary = await (await testBinaries()).ensure(requireRelease(minor));
  const parts: Uint8Array[] = [];
  for await (const part of await store.open(`${name}/etcd.backup.gz`)) parts.push(part as Uint8Array);
  const snapshotFile = join(await mkdtemp(join(folder, 'restore-')), 'snapshot.db');
  await writeFile(snapshotFile, gunzipSync(Buffer.concat(parts)));
  const dataDir = `${snapshotFile}.data`;
  const peerUrl = 'https://127.0.0.1:1';
  const { program, args, env } = restoreCommand(binary, {
    snapshotFile,
    dataDir,
    member: 'a',
    peerUrl,
    initialCluster: `a=${peerUrl}`,
    token: 't',
    bumpRevision: 0,
  });
  if (args.some((arg) => arg.includes('skip-hash'))) throw new Error('the hash would not be checked');
  await promisify(execFile)(program, [...args], { env: { ...env } });
  return readFile(join(dataDir, 'member', 'snap', 'db'));
}
