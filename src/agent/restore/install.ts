import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QuorateError } from '../../base/errors.ts';
import { syncFolder } from '../../base/files.ts';
import { inspectDataDir } from '../data-dir.ts';
import type { WalIdentity } from '../wal.ts';
import type { LatchedIdentity } from '../wire.ts';
import { type RestorePaths, readPrepared, writePrepared } from './folder.ts';
import { isInPlace } from './prepare.ts';
import { restoreStorageError } from './room.ts';

/** What installing needs of the member. */
export interface InstallParts {
  readonly paths: RestorePaths;
  readonly dataPath: string;
  readonly latched: () => LatchedIdentity | null;
  /** Throws `still-running`; nothing starts the member by itself after it. */
  readonly requireStopped: () => Promise<void>;
  /** Puts the data dir in use aside. */
  readonly archive: () => Promise<unknown>;
  readonly latch: (identity: WalIdentity, bootstrapId: string) => Promise<LatchedIdentity>;
}

/**
 * Puts the prepared data dir in the place of the one in use. Every line can be the last one before a crash: the
 * note of the intent, where each folder lies and the latch together tell the next call how far this one came.
 */
export async function installRestored(bootstrapId: string, parts: InstallParts): Promise<LatchedIdentity> {
  const { paths, dataPath } = parts;
  const operation = `install the restore ${bootstrapId}`;
  const latched = parts.latched();
  if (latched?.bootstrapId === bootstrapId && (await holds(dataPath, latched))) {
    await removeFolder(paths, operation);
    return latched;
  }
  await parts.requireStopped();
  const prepared = await readPrepared(paths);
  const isDone = prepared !== undefined && (await isInPlace(prepared, dataPath));
  if (prepared?.bootstrapId !== bootstrapId || !(prepared.isThere || isDone)) {
    throw notPrepared(operation, prepared?.bootstrapId);
  }
  if (!isDone) {
    const { isThere: _, ...note } = prepared;
    if (!note.isInstalling) await writePrepared(paths, { ...note, isInstalling: true });
    if ((await inspectDataDir(dataPath)).isPresent) await parts.archive();
    await putInPlace(paths, dataPath, operation);
  }
  const { clusterId, memberId } = prepared;
  const identity = await parts.latch({ clusterId, memberId }, bootstrapId);
  await removeFolder(paths, operation);
  return identity;
}

async function putInPlace(paths: RestorePaths, dataPath: string, operation: string): Promise<void> {
  try {
    // An empty folder in its place gives way; anything else would be an error.
    await rename(paths.prepared, dataPath);
    await syncFolder(dirname(dataPath));
    await syncFolder(paths.folder);
  } catch (error) {
    throw restoreStorageError(error, operation);
  }
}

/** Once the latch is written, what is left here says nothing any more. */
async function removeFolder(paths: RestorePaths, operation: string): Promise<void> {
  try {
    await rm(paths.folder, { recursive: true, force: true });
    await syncFolder(dirname(paths.folder));
  } catch (error) {
    throw restoreStorageError(error, operation);
  }
}

async function holds(dataPath: string, latched: LatchedIdentity): Promise<boolean> {
  const { identity } = await inspectDataDir(dataPath);
  return identity?.clusterId === latched.clusterId && identity.memberId === latched.memberId;
}

function notPrepared(operation: string, other: string | undefined): QuorateError {
  return new QuorateError({
    code: 'not-prepared',
    kind: 'refused',
    operation,
    summary:
      other === undefined
        ? 'no data dir lies ready on this host'
        : `the data dir that lies ready is that of the restore ${other}`,
    remedy: 'Stage the backup and prepare it first; the data dir in use was not touched.',
  });
}
