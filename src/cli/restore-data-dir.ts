import { chmod, chown, lstat, mkdir, open, readdir, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Backup, ObjectStore } from '../backup/store.ts';
import { checkRoom, type UnpackProgress, unpackBackup } from '../backup/unpack.ts';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { syncFolder } from '../base/files.ts';
import { silentLogger } from '../base/log.ts';
import { openWorkFolder, removeEmptyRoot } from '../coordination/work-folder.ts';
import { runTool } from '../etcd/binaries/tool.ts';
import type { EtcdBinary } from '../etcd/binaries.ts';
import { type RestoreArguments, restoreCommand } from '../etcd/snapshot-tool.ts';

export interface RestoreDataDirRequest extends Omit<RestoreArguments, 'snapshotFile'> {
  readonly store: ObjectStore;
  readonly backup: Backup;
  readonly binary: EtcdBinary;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly progress: (seen: UnpackProgress) => void;
  /** The database is unpacked, and etcd's tool works. */
  readonly restoring: () => void;
}

const toolTimeoutMs = 6 * 3_600_000;
/** Two segments of the write-ahead log. */
const reserveBytes = 128 * 1024 ** 2;

/**
 * Makes the data dir of one member from a backup. It is prepared in `DIR.partial` and renamed: DIR is whole or not
 * there, and what an interrupted call left is removed by the next. Rejects with `data-dir-in-use`, what
 * `unpackBackup` and etcd's tool reject with, or the signal's reason.
 */
export async function restoreDataDir(request: RestoreDataDirRequest): Promise<void> {
  const { dataDir, store, backup, clock, signal } = request;
  const operation = `restore ${backup.name} into ${dataDir}`;
  const parent = dirname(dataDir);
  const owner = await checkTarget(dataDir, operation);
  const root = `${dataDir}.partial`;
  await makeRoot(root, operation);
  const work = await openWorkFolder({ root, clock, log: silentLogger });
  try {
    const { name, proof } = backup;
    const snapshotFile = join(work.path, 'snapshot.db');
    if (proof !== undefined) await checkRoom(parent, 2 * proof.dbSizeBytes + reserveBytes, operation);
    const { dbSizeBytes } = await unpackBackup({
      store,
      name,
      proof,
      file: snapshotFile,
      clock,
      signal,
      progress: request.progress,
    });
    request.restoring();
    await checkRoom(parent, dbSizeBytes + reserveBytes, operation);
    const made = join(work.path, 'data');
    const { program, args, env } = restoreCommand(request.binary, { ...request, snapshotFile, dataDir: made });
    await runTool(program, args, {
      timeoutMs: toolTimeoutMs,
      cwd: work.path,
      env: { ...env, ...work.mark },
      signal,
    });
    await settle(made, owner);
    // Over an empty folder too; one that somebody has filled meanwhile is left alone.
    await rename(made, dataDir).catch((error: unknown) => {
      throw inUse(operation, dataDir, describeError(error));
    });
    await syncFolder(parent);
  } catch (error) {
    signal.throwIfAborted();
    throw asQuorateError(error, { code: 'restore-failed', kind: 'stalled', operation });
  } finally {
    await work.close();
    await removeEmptyRoot(root);
  }
}

/** Without parents: below /proc, Node goes on for ever when it is to make them too. */
async function makeRoot(root: string, operation: string): Promise<void> {
  try {
    await mkdir(root, { mode: 0o700 });
  } catch (error) {
    if (systemErrorCode(error) !== 'EEXIST')
      throw inUse(operation, dirname(root), `no folder can be made in it (${describeError(error)})`);
  }
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Gives the owner of the empty folder that is there already; undefined when there is none. */
async function checkTarget(dataDir: string, operation: string): Promise<Owner | undefined> {
  const parent = await stat(dirname(dataDir)).catch((error: unknown) => {
    throw inUse(operation, dirname(dataDir), `its folder cannot be used (${describeError(error)})`);
  });
  try {
    const found = await lstat(dataDir);
    if (!found.isDirectory()) throw inUse(operation, dataDir, 'it is there, and no folder');
    if (found.dev !== parent.dev)
      throw inUse(operation, dataDir, 'a file system is mounted there, which a folder cannot be renamed to');
    if ((await readdir(dataDir)).length > 0) throw inUse(operation, dataDir, 'it is not empty');
    return found;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Private, owned by whom the folder was made for, and on disk. */
async function settle(folder: string, owner: Owner | undefined): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await settle(path, owner);
    else {
      if (owner !== undefined) await chown(path, owner.uid, owner.gid);
      const handle = await open(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }
  await chmod(folder, 0o700);
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  await syncFolder(folder);
}

function inUse(operation: string, folder: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'data-dir-in-use',
    kind: 'refused',
    operation,
    summary: `${folder} cannot take a data dir: ${seen}`,
    remedy: 'Name a folder that does not exist, in one that does. Nothing that was there has been touched.',
  });
}
