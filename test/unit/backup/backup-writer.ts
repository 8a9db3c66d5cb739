/**
 * A process that works on a store as the controller does, to be killed or measured:
 * `backup-writer.ts FOLDER hang-source|hang-meta|plain MIB` or `backup-writer.ts FOLDER record TIMES`.
 * Prints one JSON line when the point to kill it at is reached, or when it is done.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { readRecord, writeRecord } from '../../../src/backup/record.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { describeError, QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { databaseOf, facts } from './streams.ts';

const [folder = '', mode = '', number = '1'] = process.argv.slice(2);
const store = openFileStore({ folder, cluster: 'orders', clock: systemClock, log: silentLogger });

function tell(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Until the parent kills us, or has gone. */
async function hang(): Promise<never> {
  tell({ at: mode });
  await once(process.stdin.resume(), 'end');
  return process.exit(3);
}

/** A snapshot of any size out of one block, so that the process itself needs little memory. */
async function* source(mebibytes: number): AsyncGenerator<Uint8Array> {
  const block = databaseOf(1024 * 1024);
  const hash = createHash('sha256');
  for (let index = 0; index < mebibytes; index++) {
    if (mode === 'hang-source' && index === Math.floor(mebibytes / 2)) await hang();
    block.writeUInt32LE(index, 0);
    hash.update(block);
    for (let offset = 0; offset < block.length; offset += 32_768) {
      // A new buffer each time, as they come from the network.
      yield Buffer.from(block.subarray(offset, offset + 32_768));
    }
  }
  yield hash.digest();
}

const hangingAtMeta: ObjectStore = {
  url: store.url,
  removeUnfinishedUploads: (beforeMs) => store.removeUnfinishedUploads(beforeMs),
  list: (prefix) => store.list(prefix),
  read: (key) => store.read(key),
  open: (key) => store.open(key),
  write: async (key, content, condition) => {
    if (key.endsWith('/_etcd_backup.meta')) await hang();
    await store.write(key, content, condition);
  },
  writeStream: (key, content) => store.writeStream(key, content),
  delete: (key) => store.delete(key),
};

async function backUp(): Promise<void> {
  const rssBefore = process.memoryUsage().rss;
  let rssMax = 0;
  const backup = await takeBackup({
    source: source(Number(number)),
    store: mode === 'hang-meta' ? hangingAtMeta : store,
    facts,
    clock: systemClock,
    log: silentLogger,
    progress: () => {
      rssMax = Math.max(rssMax, process.memoryUsage().rss);
    },
  });
  tell({ backup, rssBefore, rssMax });
}

/** Raises a number in the record, again and again, against others who do the same. */
async function raise(): Promise<void> {
  let conflicts = 0;
  for (let done = 0; done < Number(number); ) {
    const stored = await readRecord(store, 'orders');
    if (stored === null) throw new Error('there is no record');
    try {
      const lastRevision = stored.record.lastRevision + 1;
      await writeRecord(store, { ...stored.record, lastRevision }, stored.tag);
      done += 1;
    } catch (error) {
      if (!(error instanceof QuorateError) || error.code !== 'store-conflict') throw error;
      conflicts += 1;
    }
  }
  tell({ conflicts });
}

try {
  await (mode === 'record' ? raise() : backUp());
} catch (error) {
  tell({ code: error instanceof QuorateError ? error.code : 'unknown', error: describeError(error) });
}
