import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { keysOf } from '../../../src/backup/backup-name.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { Backup, ObjectStore } from '../../../src/backup/store.ts';
import { type UnpackProgress, type UnpackRequest, unpackBackup } from '../../../src/backup/unpack.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { databaseOf, errorOf, facts, snapshotOf, streamOf } from './streams.ts';

const snapshot = snapshotOf(databaseOf(2 * 1024 * 1024));
const name = '2026-11-20T15:29:48Z-000003';

async function place(): Promise<{ readonly store: ObjectStore; readonly folder: string; readonly file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-unpack-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const store = openFileStore({
    folder: join(folder, 'store'),
    cluster: 'orders',
    clock: systemClock,
    log: silentLogger,
  });
  return { store, folder, file: join(folder, 'snapshot.db') };
}

async function proven(store: ObjectStore): Promise<Backup> {
  return takeBackup({ source: streamOf(snapshot), store, facts, clock: systemClock, log: silentLogger });
}

/** An archive that another program may have written, or somebody has spoiled. */
async function holding(store: ObjectStore, archive: Uint8Array): Promise<void> {
  await store.writeStream(keysOf(name).archive, streamOf(archive));
}

function request(
  { store, file }: { readonly store: ObjectStore; readonly file: string },
  more: Partial<UnpackRequest> = {},
): UnpackRequest {
  return { store, name, proof: undefined, file, clock: systemClock, ...more };
}

describe('unpacking a backup', () => {
  it('gives the snapshot, private, and tells how far it is', async () => {
    const at = await place();
    const backup = await proven(at.store);
    const seen: UnpackProgress[] = [];
    const made = await unpackBackup(
      request(at, { name: backup.name, proof: backup.proof, progress: (progress) => seen.push(progress) }),
    );
    expect(made).toMatchObject({ sizeBytes: snapshot.length, dbSizeBytes: snapshot.length - 32 });
    expect((await readFile(at.file)).equals(snapshot)).toBe(true);
    expect((await stat(at.file)).mode & 0o777).toBe(0o600);
    expect(seen.at(-1)).toMatchObject({ snapshotBytes: snapshot.length, totalBytes: snapshot.length });
  });

  it('takes an archive in several parts from another program', async () => {
    const at = await place();
    const half = snapshot.length >> 1;
    await holding(at.store, Buffer.concat([gzipSync(snapshot.subarray(0, half)), gzipSync(snapshot.subarray(half))]));
    await unpackBackup(request(at));
    expect((await readFile(at.file)).equals(snapshot)).toBe(true);
  });

  const whole = gzipSync(snapshot);
  const flipped = Buffer.from(whole);
  flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
  const altered = Buffer.from(snapshot);
  altered[1000] = (altered[1000] ?? 0) ^ 1;

  it.each([
    ['is cut short', whole.subarray(0, whole.length - 1000)],
    ['has a wrong bit', flipped],
    ['is no archive', Buffer.from('nothing of the kind')],
    ['is empty', Buffer.alloc(0)],
    ['has zeros after it', Buffer.concat([whole, Buffer.alloc(4096)])],
    ['has other bytes after it', Buffer.concat([whole, Buffer.alloc(200_000, 7)])],
    ['holds an altered database', gzipSync(altered)],
    ['holds half a database', gzipSync(snapshot.subarray(0, snapshot.length >> 1))],
  ])('refuses one that %s, and leaves nothing', async (_what, archive) => {
    const at = await place();
    await holding(at.store, archive);
    await expect(unpackBackup(request(at))).rejects.toMatchObject({ code: 'snapshot-corrupt' });
    expect(await readdir(at.folder)).toEqual(['store']);
  });

  it('refuses what is not what the proof says, however sound it looks', async () => {
    const at = await place();
    const { proof } = await proven(at.store);
    if (proof === undefined) throw new Error('the backup has no proof');
    const other = snapshotOf(databaseOf(2 * 1024 * 1024, 2));
    await holding(at.store, gzipSync(other));
    await expect(unpackBackup(request(at, { proof }))).rejects.toMatchObject({ code: 'backup-altered' });
    // A larger database must not fill the disk before it is refused.
    const larger = { ...proof, dbSizeBytes: 4096 };
    const { code, summary } = await errorOf(unpackBackup(request(at, { proof: larger })));
    expect(code).toBe('backup-altered');
    expect(summary).toContain('unpacks to more than the 4128 bytes');
    expect(await readdir(at.folder)).toEqual(['store']);
  });

  it('says how much room is needed, before anything is read', async () => {
    const at = await place();
    const { proof } = await proven(at.store);
    if (proof === undefined) throw new Error('the backup has no proof');
    const huge = { ...proof, dbSizeBytes: 2 ** 52 };
    const { code, summary } = await errorOf(unpackBackup(request(at, { proof: huge })));
    expect(code).toBe('disk-full');
    expect(summary).toMatch(/has .* free and 4096\.0 TiB are needed/);
  });

  it('tells of a backup that is not there, and leaves a file alone that is', async () => {
    const at = await place();
    await holding(at.store, whole);
    const missing = '2026-11-20T15:29:48Z-000009';
    await expect(unpackBackup(request(at, { name: missing }))).rejects.toMatchObject({ code: 'object-not-found' });
    await unpackBackup(request(at));
    await expect(unpackBackup(request(at))).rejects.toMatchObject({ code: 'unpack-failed' });
    expect((await readFile(at.file)).equals(snapshot)).toBe(true);
  });

  it('ends with the reason of an abort, and leaves nothing', async () => {
    const at = await place();
    await holding(at.store, whole);
    const abort = new AbortController();
    const progress = (): void => abort.abort(new Error('enough'));
    await expect(unpackBackup(request(at, { signal: abort.signal, progress }))).rejects.toThrow('enough');
    expect(await readdir(at.folder)).toEqual(['store']);
  });
});
