import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, systemErrorCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { formatSize } from '../base/size.ts';
import { isOutOfSpace, storeFull } from './store-errors.ts';
import { fateOf, ownIdentity } from './writer-identity.ts';

/** Folder in a store for what is not an object yet: temporary files and locks. */
export const workName = '.quorate-work';
const namePattern = /^([0-9a-f]{12})-([0-9]+)-([0-9]+)-[0-9a-f]{16}\.tmp$/;

/** Writes content to a new temporary file, durable when it resolves. Nothing is left of it when it rejects. */
export async function writeTemporary(
  work: string,
  content: AsyncIterable<Uint8Array>,
  operation: string,
): Promise<{ readonly path: string; readonly sizeBytes: number }> {
  const own = await ownIdentity();
  const name = `${own.realm}-${own.pid}-${own.startTicks}-${randomBytes(8).toString('hex')}.tmp`;
  const path = join(work, name);
  let sizeBytes = 0;
  let neededBytes = 0;
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      for await (const chunk of content) {
        neededBytes = sizeBytes + chunk.byteLength;
        for (let offset = 0; offset < chunk.byteLength; ) {
          const { bytesWritten } = await handle.write(chunk, offset, chunk.byteLength - offset);
          offset += bytesWritten;
          sizeBytes += bytesWritten;
        }
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const full = isOutOfSpace(error) ? await describeFull(work, operation, neededBytes, sizeBytes, error) : undefined;
    await rm(path, { force: true }).catch(() => undefined);
    throw full ?? error;
  }
  return { path, sizeBytes };
}

async function describeFull(work: string, operation: string, neededBytes: number, sizeBytes: number, error: unknown) {
  const space = await statfs(work).then(
    (found) => `; free are ${formatSize(found.bavail * found.bsize)} of ${formatSize(found.blocks * found.bsize)}`,
    () => '',
  );
  const needed = `at least ${formatSize(neededBytes)} were needed and ${formatSize(sizeBytes)} fitted`;
  return storeFull(operation, `no space left in ${work}: ${needed}${space} (${describeError(error)})`, error);
}

export async function makeWorkFolder(work: string): Promise<void> {
  try {
    await mkdir(work, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST') throw error;
  }
}

/**
 * Removes temporary files last written before that moment whose writer is not known to live. Gives how many; never
 * rejects.
 */
export async function sweepTemporary(work: string, beforeMs: number, log: Logger): Promise<number> {
  let removed = 0;
  for (const name of await readdir(work).catch(() => [])) {
    const path = join(work, name);
    try {
      if ((await stat(path)).mtimeMs >= beforeMs) continue;
      const match = namePattern.exec(name);
      const writer = { realm: match?.[1] ?? '', pid: Number(match?.[2] ?? 0), startTicks: match?.[3] ?? '0' };
      if (match !== null && (await fateOf(writer)) === 'alive') continue;
      // Locks of dead holders lie here too; whoever wants one breaks it long before.
      await rm(path, { force: true });
      removed++;
      log.info({ path }, 'removed what a dead writer left in the backup store');
    } catch (error) {
      log.debug({ path, error: describeError(error) }, 'could not remove an old temporary file');
    }
  }
  return removed;
}
