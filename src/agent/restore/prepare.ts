import { randomBytes } from 'node:crypto';
import { open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from '../../base/canonical.ts';
import { describeError, QuorateError } from '../../base/errors.ts';
import { syncFolder } from '../../base/files.ts';
import { runTool } from '../../etcd/binaries/tool.ts';
import type { Binaries } from '../../etcd/binaries.ts';
import { restoreCommand, type ToolCommand } from '../../etcd/snapshot-tool.ts';
import { inspectDataDir } from '../data-dir.ts';
import { readWalIdentity, type WalIdentity } from '../wal.ts';
import type { PreparedRestore, PrepareRestoreRequest } from '../wire.ts';
import {
  dropPrepared,
  dropStaged,
  type PreparedNote,
  partialMark,
  type RestorePaths,
  readPrepared,
  readStaged,
  type StagedNote,
  writePrepared,
} from './folder.ts';
import { diskFull, requireRoom, restoreStorageError } from './room.ts';

/** The tool copies the database and hashes it: 8 GiB on a disk of 10 MB/s. */
const toolTimeoutMs = 1_500_000;
/** etcd lays out its write-ahead log in files of 64 MiB; the one in use and the next. */
const walBytes = 2 * 64 * 1024 * 1024;

export interface PrepareParts {
  readonly paths: RestorePaths;
  /** The data dir in use. */
  readonly dataPath: string;
  readonly binaries: Pick<Binaries, 'ensure'>;
  readonly signal: AbortSignal;
}

/**
 * Makes a data dir of the staged snapshot by the release's own tool; the snapshot is removed after that. The same
 * request again gives what is there. Rejects with `not-staged`, `disk-full`, `restore-failed` (with what the tool
 * said last), `storage-failed`, the errors of `restoreCommand` and of `Binaries.ensure`, or the signal's reason.
 */
export async function prepareRestore(request: PrepareRestoreRequest, parts: PrepareParts): Promise<PreparedRestore> {
  const { paths, signal } = parts;
  const operation = `prepare the restore of ${request.backup}`;
  const digest = digestOf(request);
  const former = await readPrepared(paths);
  if (former?.digest === digest && (former.isThere || (await isInPlace(former, parts.dataPath)))) {
    return told(former);
  }
  const staged = await readStaged(paths);
  if (staged?.backup !== request.backup) throw notStaged(operation, staged);
  try {
    const binary = await parts.binaries.ensure(request.version, signal);
    await dropPrepared(paths);
    const partial = `${paths.prepared}${partialMark}${randomBytes(6).toString('hex')}`;
    const command = restoreCommand(binary, { ...request, snapshotFile: paths.snapshot, dataDir: partial });
    await requireRoom(paths.folder, staged.dbSizeBytes + walBytes, operation);
    await runRestore(command, paths, signal, operation).catch(async (error: unknown) => {
      // Whatever is wrong with it, the next try begins with a fresh copy.
      if (!signal.aborted) await dropStaged(paths);
      throw error;
    });
    const identity = await identityOf(partial, command, operation);
    await syncTree(partial);
    signal.throwIfAborted();
    await rename(partial, paths.prepared);
    await syncFolder(paths.folder);
    const { bootstrapId, backup } = request;
    const note: PreparedNote = { bootstrapId, backup, ...identity, digest, isInstalling: false };
    await writePrepared(paths, note);
    await dropStaged(paths);
    return told(note);
  } catch (error) {
    throw signal.aborted ? signal.reason : restoreStorageError(error, operation);
  }
}

export function told({ bootstrapId, backup, clusterId, memberId }: PreparedRestore): PreparedRestore {
  return { bootstrapId, backup, clusterId, memberId };
}

/** Whether the prepared data dir has become the one in use and only the last notes are missing. */
export async function isInPlace(
  note: PreparedNote & { readonly isThere: boolean },
  dataPath: string,
): Promise<boolean> {
  if (note.isThere || !note.isInstalling) return false;
  const { identity } = await inspectDataDir(dataPath);
  return identity?.clusterId === note.clusterId && identity.memberId === note.memberId;
}

async function runRestore(
  { program, args, env }: ToolCommand,
  paths: RestorePaths,
  signal: AbortSignal,
  operation: string,
): Promise<void> {
  try {
    await runTool(program, args, { timeoutMs: toolTimeoutMs, cwd: paths.folder, env, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    if (/no space left on device|disk quota exceeded/i.test(describeError(error))) {
      throw diskFull(operation, `the disk of ${paths.folder} became full: ${describeError(error)}`, error);
    }
    throw restoreFailed(operation, describeError(error), error);
  }
}

async function identityOf(dataDir: string, { program }: ToolCommand, operation: string): Promise<WalIdentity> {
  const identity = await readWalIdentity(dataDir);
  if (identity !== undefined) return identity;
  throw restoreFailed(operation, `${program} ended well, but the data dir that it made tells no member id`);
}

/** etcd's tools sync what they write, but not each folder. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const handle = await open(join(entry.parentPath, entry.name), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncFolder(folder);
}

function notStaged(operation: string, staged: StagedNote | undefined): QuorateError {
  return new QuorateError({
    code: 'not-staged',
    kind: 'refused',
    operation,
    summary:
      staged === undefined ? 'no snapshot lies ready on this host' : `the snapshot of ${staged.backup} lies ready`,
    remedy: 'Send the archive of this backup first.',
  });
}

function restoreFailed(operation: string, summary: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'restore-failed',
    kind: 'stalled',
    operation,
    summary,
    remedy: 'See whether the release can read this snapshot: a newer minor writes what an older one does not know.',
    cause,
  });
}
