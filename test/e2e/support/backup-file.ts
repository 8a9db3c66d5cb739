import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { expect } from 'vitest';
import type { Fleet } from './fleet.ts';
import { mustRun } from './program.ts';

/** Unpacks the newest backup in the store and has etcd's own tool check the hash of it. */
export async function expectWholeBackup(fleet: Fleet): Promise<void> {
  const store = join(fleet.folder, 'backups');
  const files = (await readdir(store, { recursive: true }))
    .filter((path) => path.endsWith('etcd.backup.gz'))
    .toSorted();
  const newest = files.at(-1);
  if (newest === undefined) throw new Error(`no backup in ${store}`);
  const database = join(fleet.folder, 'unpacked.db');
  await pipeline(createReadStream(join(store, newest)), createGunzip(), createWriteStream(database));
  try {
    const env = { PATH: process.env['PATH'] ?? '', ETCDCTL_API: '3' };
    const { stdout } = await mustRun(fleet.snapshotTool, ['snapshot', 'status', database, '-w', 'simple'], { env });
    // Hash, revision, keys, size.
    expect(Number(stdout.split(', ')[1])).toBeGreaterThan(0);
  } finally {
    await rm(database, { force: true });
  }
}
