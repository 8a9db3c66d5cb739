import { mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { ensureFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import { killMarked } from '../base/marked-processes.ts';
import { waitUntil } from '../base/wait.ts';
import { type FileLock, tryLockFile } from './file-lock.ts';

/** A private folder for work that leaves nothing behind, whatever death its owner dies. */
export interface WorkFolder {
  /** Absolute, 0700, with nothing but a lock file in it. */
  readonly path: string;
  /** Goes into the environment of every process that works here, so that the next owner finds those of a dead one. */
  readonly mark: Readonly<Record<string, string>>;
  /** Kills what still works here and removes the folder; nothing happens the second time. */
  close(): Promise<void>;
}

export interface WorkFolderOptions {
  /** Holds the folders of all who work at once; made when missing. */
  readonly root: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const variable = 'QUORATE_WORK_FOLDER';
const prefix = 'work-';
const lockName = '.lock';
/** Making and sweeping take milliseconds, the removal of a large leftover seconds. */
const rootWaitMs = 60_000;
const rootPollMs = 50;

/**
 * Opens a fresh folder, after the folders and processes of dead owners have been removed. An owner is dead when
 * nobody holds the lock on its folder's lock file: the kernel drops that with the process. Rejects with
 * `work-folder-failed`, or `lock-failed`.
 */
export async function openWorkFolder({ root, clock, log }: WorkFolderOptions): Promise<WorkFolder> {
  try {
    await ensureFolder(root);
    const rootLock = await lockRoot(root, clock);
    try {
      await sweep(root, log);
      const path = await mkdtemp(join(root, prefix));
      const lock = await tryLockFile(join(path, lockName));
      if (lock === undefined) throw new Error(`the new folder ${path} is locked by somebody else`);
      return open(path, lock);
    } finally {
      await rootLock.release();
    }
  } catch (error) {
    throw asQuorateError(error, {
      code: 'work-folder-failed',
      kind: 'stalled',
      operation: `make a folder to work in below ${root}`,
      remedy: 'It has to be writable by this user, and its file system must have room.',
    });
  }
}

/** Removes the root where nobody works in it and nothing else lies there. */
export async function removeEmptyRoot(root: string): Promise<void> {
  const rest = await readdir(root).catch(() => undefined);
  if (rest === undefined || rest.some((name) => name !== lockName)) return;
  await rm(join(root, lockName), { force: true });
  await rmdir(root).catch(() => undefined);
}

function open(path: string, lock: FileLock): WorkFolder {
  let closing: Promise<void> | undefined;
  return {
    path,
    mark: { [variable]: path },
    close: async () => {
      closing ??= (async () => {
        await removeMarked(path);
        await lock.release();
      })();
      await closing;
    },
  };
}

async function lockRoot(root: string, clock: Clock): Promise<FileLock> {
  const taken = await waitUntil(clock, { timeoutMs: rootWaitMs, intervalMs: rootPollMs }, async () => {
    const lock = await tryLockFile(join(root, lockName));
    // `removeEmptyRoot` of another may have removed the file in between.
    if (lock === undefined || (await lock.isInForce())) return lock;
    await lock.release();
    return undefined;
  });
  if (taken.seen) return taken.value;
  throw new QuorateError({
    code: 'lock-failed',
    kind: 'transient',
    operation: `lock ${root}`,
    summary: `another process has held ${join(root, lockName)} for over ${rootWaitMs / 1000} s`,
    remedy: 'It passes when that process is done or dead; a stopped one has to be continued or killed.',
  });
}

async function sweep(root: string, log: Logger): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(root, name);
    const lock = await tryLockFile(join(path, lockName)).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (lock === undefined) continue;
    try {
      await removeMarked(path);
      log.info({ folder: path }, 'removed what an interrupted piece of work left behind');
    } finally {
      await lock.release();
    }
  }
}

async function removeMarked(path: string): Promise<void> {
  await killMarked(variable, path);
  // What was just killed may write for a moment longer.
  await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
