import { mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { readRecord, writeRecord } from '../../../src/backup/record.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import { verifyBackup } from '../../../src/backup/verify.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { emptyRecord } from './records.ts';
import { databaseOf, facts, snapshotOf, streamOf } from './streams.ts';
import { killWriter, startWriter } from './writer-process.ts';

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-interrupted-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const open = (folder: string, clock: Clock = systemClock) =>
  openFileStore({ folder, cluster: 'orders', clock, log: silentLogger });

test.each(['hang-source', 'hang-meta'])(
  'kill -9 at %s leaves nothing listed, and is cleaned up later',
  async (mode) => {
    const folder = await temporaryFolder();
    const writer = startWriter([folder, mode, '8']);
    expect(await writer.told).toEqual({ at: mode });
    await killWriter(writer);

    const store = open(folder);
    expect(await new BackupCatalog(store).list()).toEqual({ backups: [], diagnostics: [] });
    const leftBehind = (await store.list('')).map((object) => object.key.split('/')[1]);
    expect(leftBehind).toEqual(
      mode === 'hang-meta' ? ['_claim.json', '_quorate.json', 'etcd.backup.gz'] : ['_claim.json'],
    );
    const work = join(folder, 'orders', '.quorate-work');
    const parts = await readdir(work);
    expect(parts).toHaveLength(mode === 'hang-source' ? 1 : 0);

    // A new backup works beside it; a day later nothing is left but the new one.
    const request = { store, facts, log: silentLogger, source: streamOf(snapshotOf(databaseOf(4096))) };
    const { name } = await takeBackup({ ...request, clock: systemClock });
    const hourAgo = Date.now() / 1000 - 3700;
    for (const part of parts) await utimes(join(work, part), hourAgo, hourAgo);
    const nextDay: Clock = { ...systemClock, now: () => Date.now() + 86_500_000 };
    const later = open(folder, nextDay);
    const second = await takeBackup({
      ...request,
      store: later,
      clock: nextDay,
      source: streamOf(snapshotOf(databaseOf(4096))),
    });
    const names = new Set((await store.list('')).map((object) => object.key.split('/')[0]));
    expect([...names]).toEqual([name, second.name]);
    expect(await readdir(work)).toEqual([]);
    expect((await verifyBackup(later, name, { clock: systemClock })).whole).toBe(true);
  },
);

test('a file system that takes no more ends in one clear error and nothing listed', async () => {
  const folder = await temporaryFolder();
  const writer = startWriter([folder, 'plain', '16'], { fileSizeKib: 512 });
  expect(await writer.told).toMatchObject({ code: 'store-full' });
  expect(await open(folder).list('')).toEqual([]);
  expect(await readdir(join(folder, 'orders', '.quorate-work'))).toEqual([]);
});

test('two processes that raise the same number in the record lose no write', async () => {
  const folder = await temporaryFolder();
  const store = open(folder);
  await writeRecord(store, emptyRecord, null);
  const writers = [startWriter([folder, 'record', '40']), startWriter([folder, 'record', '40'])];
  for (const writer of writers) expect(await writer.told).toHaveProperty('conflicts');
  expect((await readRecord(store))?.record.lastRevision).toBe(80);
});

test('a writer of the record that is killed at any moment blocks nobody and leaves it whole', async () => {
  const folder = await temporaryFolder();
  const store = open(folder);
  await writeRecord(store, emptyRecord, null);
  const writer = startWriter([folder, 'record', '1000000']);
  // Killed in mid-work: as soon as its writes are seen.
  await expect.poll(async () => (await readRecord(store))?.record.lastRevision, { timeout: 20_000 }).toBeGreaterThan(5);
  await killWriter(writer);
  const stored = await readRecord(store, 'orders');
  const next = await writeRecord(store, { ...emptyRecord, lastRevision: 7 }, stored?.tag ?? '');
  expect(next.record.lastRevision).toBe(7);
});

test('memory does not grow with the database', async () => {
  const folder = await temporaryFolder();
  const writer = startWriter([folder, 'plain', '200']);
  const told = (await writer.told) as { rssBefore: number; rssMax: number; backup: { proof: { dbSizeBytes: number } } };
  expect(told.backup.proof.dbSizeBytes).toBe(200 * 1024 * 1024);
  // What is in flight is below 16 MiB; the rest is garbage that was not collected yet.
  expect((told.rssMax - told.rssBefore) / 1024 ** 2).toBeLessThan(110);
});
