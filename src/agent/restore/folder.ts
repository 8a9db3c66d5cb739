import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import { syncFolder } from '../../base/files.ts';
import { type StateFile, stateFile } from '../state-file.ts';
import type { PreparedRestore } from '../wire.ts';

/** Where the parts of a restore lie; all on the file system of the data dir, so that renaming is enough. */
export interface RestorePaths {
  readonly folder: string;
  /** The snapshot as etcd gave it, with its trailing hash. */
  readonly snapshot: string;
  /** Counts the snapshot as whole; written last. */
  readonly stagedFile: string;
  readonly prepared: string;
  /** Counts the prepared data dir as whole; written last. */
  readonly preparedFile: string;
}

export function restorePaths(folder: string): RestorePaths {
  return {
    folder,
    snapshot: join(folder, 'snapshot.db'),
    stagedFile: join(folder, 'staged.json'),
    prepared: join(folder, 'prepared'),
    preparedFile: join(folder, 'prepared.json'),
  };
}

/** What a crash leaves of an unfinished piece is named like this, and removed by the next one. */
export const partialMark = '.partial-';

export interface StagedNote {
  readonly backup: string;
  /** Of the archive, as asked for. */
  readonly sha256: string | null;
  /** Of the snapshot, with its trailing hash. */
  readonly sizeBytes: number;
  readonly dbSizeBytes: number;
}

export interface PreparedNote extends PreparedRestore {
  /** Of the request that it was made by. */
  readonly digest: string;
  /** The data dir in use is being, or has been, put aside for it: from then on it must not be lost. */
  readonly isInstalling: boolean;
}

const text = { type: 'string', minLength: 1 };

const stagedFile = stateFile<StagedNote>({
  type: 'object',
  additionalProperties: false,
  required: ['backup', 'sha256', 'sizeBytes', 'dbSizeBytes'],
  properties: {
    backup: text,
    sha256: { anyOf: [{ type: 'null' }, text] },
    sizeBytes: { type: 'integer', minimum: 1 },
    dbSizeBytes: { type: 'integer', minimum: 1 },
  },
});

const preparedFile = stateFile<PreparedNote>({
  type: 'object',
  additionalProperties: false,
  required: ['bootstrapId', 'backup', 'clusterId', 'memberId', 'digest', 'isInstalling'],
  properties: {
    bootstrapId: text,
    backup: text,
    clusterId: text,
    memberId: text,
    digest: text,
    isInstalling: { type: 'boolean' },
  },
});

/** Undefined too when the snapshot that it counts is not there in its whole length. */
export async function readStaged(paths: RestorePaths): Promise<StagedNote | undefined> {
  const note = await readOrNothing(stagedFile, paths.stagedFile);
  return note !== undefined && (await sizeOf(paths.snapshot)) === note.sizeBytes ? note : undefined;
}

export function writeStaged(paths: RestorePaths, note: StagedNote): Promise<void> {
  return stagedFile.write(paths.stagedFile, note);
}

/** `isThere`: the data dir has not been moved away from here yet. */
export async function readPrepared(
  paths: RestorePaths,
): Promise<(PreparedNote & { readonly isThere: boolean }) | undefined> {
  const note = await readOrNothing(preparedFile, paths.preparedFile);
  return note === undefined ? undefined : { ...note, isThere: (await sizeOf(paths.prepared)) !== undefined };
}

export function writePrepared(paths: RestorePaths, note: PreparedNote): Promise<void> {
  return preparedFile.write(paths.preparedFile, note);
}

/** The note first, so that a crash between leaves nothing that is counted. */
export async function dropStaged(paths: RestorePaths): Promise<void> {
  await remove(paths, paths.stagedFile, paths.snapshot);
}

/** The note first, as above. */
export async function dropPrepared(paths: RestorePaths): Promise<void> {
  await remove(paths, paths.preparedFile, paths.prepared);
}

async function remove(paths: RestorePaths, note: string, what: string): Promise<void> {
  await rm(note, { force: true });
  await syncFolder(paths.folder);
  await rm(what, { recursive: true, force: true });
}

/** Everything here can be made again, so a note that cannot be read counts as none. */
async function readOrNothing<T>(file: StateFile<T>, path: string): Promise<T | undefined> {
  try {
    return await file.read(path);
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'state-unreadable') return undefined;
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
