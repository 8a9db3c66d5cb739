import { readdir } from 'node:fs/promises';
import { systemErrorCode } from '../base/errors.ts';
import { storageError } from './state-file.ts';
import { readWalIdentity, type WalIdentity, walSegments } from './wal.ts';

export interface DataDir {
  /** False: there is nothing, or an empty folder. Anything else counts as data and is never written over. */
  readonly isPresent: boolean;
  /** The write-ahead log is there, so etcd takes its identity from it and not from the command line. */
  readonly isInitialised: boolean;
  readonly identity: WalIdentity | undefined;
}

/** Looks at a data dir without changing it; safe while etcd runs on it. Throws `storage-failed`. */
export async function inspectDataDir(path: string): Promise<DataDir> {
  try {
    const isPresent = await hasEntries(path);
    if (!isPresent) return { isPresent, isInitialised: false, identity: undefined };
    const isInitialised = (await walSegments(path)).length > 0;
    return { isPresent, isInitialised, identity: isInitialised ? await readWalIdentity(path) : undefined };
  } catch (error) {
    throw storageError(error, `look into ${path}`);
  }
}

async function hasEntries(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).length > 0;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === 'ENOENT') return false;
    // A file or a link in the place of the folder is somebody's data.
    if (code === 'ENOTDIR') return true;
    throw error;
  }
}
