import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type SeenSnapshot, SnapshotCheck } from '../../backup/snapshot-check.ts';
import { guardStalls } from '../../backup/stall-guard.ts';
import type { Clock } from '../../base/clock.ts';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { ensureFolder, syncFolder } from '../../base/files.ts';
import type { StageSnapshotRequest } from '../wire.ts';
import { dropStaged, partialMark, type RestorePaths, readStaged, writeStaged } from './folder.ts';
import { requireRoom, restoreStorageError } from './room.ts';

/** Longest silence of the controller. */
const stallTimeoutMs = 60_000;
const lookForRoomEveryBytes = 8 * 1024 * 1024;

export interface StageParts {
  readonly paths: RestorePaths;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Unpacks an archive beside the data dir and checks it on the way. Nothing is read when it is there already.
 * Rejects with `backup-altered`, `snapshot-corrupt`, `disk-full`, `storage-failed`, `stream-stalled`,
 * `upload-cut`, or the signal's reason; nothing is counted as staged then.
 */
export async function stageSnapshot(
  request: StageSnapshotRequest,
  archive: AsyncIterable<Uint8Array>,
  parts: StageParts,
): Promise<void> {
  const { paths, signal } = parts;
  const operation = `stage the backup ${request.backup}`;
  const staged = await readStaged(paths);
  if (staged?.backup === request.backup && staged.sha256 === request.sha256) return;
  try {
    await ensureFolder(paths.folder);
    await dropStaged(paths);
    await requireRoom(paths.folder, 0, operation);
    const partial = `${paths.snapshot}${partialMark}${randomBytes(6).toString('hex')}`;
    const seen = await unpack(request, archive, partial, parts, operation);
    signal.throwIfAborted();
    await rename(partial, paths.snapshot);
    await syncFolder(paths.folder);
    const { backup, sha256 } = request;
    await writeStaged(paths, { backup, sha256, sizeBytes: seen.sizeBytes, dbSizeBytes: seen.dbSizeBytes });
  } catch (error) {
    throw signal.aborted ? signal.reason : restoreStorageError(error, operation);
  }
}

async function unpack(
  request: StageSnapshotRequest,
  archive: AsyncIterable<Uint8Array>,
  path: string,
  { paths, clock, signal }: StageParts,
  operation: string,
): Promise<SeenSnapshot> {
  const hash = createHash('sha256');
  const check = new SnapshotCheck();
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let archiveBytes = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    await pipeline(
      async function* () {
        const guarded = guardStalls(archive, { clock, signal, operation, timeoutMs: stallTimeoutMs });
        for await (const chunk of orCut(guarded, operation)) {
          hash.update(chunk);
          archiveBytes += chunk.byteLength;
          yield chunk;
        }
      },
      gunzip,
      async (unpacked: AsyncIterable<Uint8Array>) => {
        const hasRoom = (): Promise<void> => requireRoom(paths.folder, lookForRoomEveryBytes, operation);
        for await (const chunk of unpacked) {
          check.update(chunk);
          await writeChecked(file, chunk, check.sizeBytes, hasRoom);
        }
      },
      { signal },
    );
    const sha256 = hash.digest('hex');
    if (request.sha256 !== null && request.sha256 !== sha256) {
      throw altered(operation, `the archive has SHA-256 ${sha256}, and had ${request.sha256} when it was taken`);
    }
    // Zeros after the last member are passed over by zlib and fatal elsewhere.
    const strayBytes = archiveBytes - gunzip.bytesWritten;
    if (strayBytes > 0) throw altered(operation, `${strayBytes} stray bytes follow the archive`);
    // Not synced: it is read once, right after this, by a tool that checks its hash again, and then removed. After a
    // power cut that check fails, and the snapshot is staged anew.
    return finish(check, operation);
  } catch (error) {
    if (systemErrorCode(error)?.startsWith('Z_') === true) {
      throw altered(operation, `the archive cannot be unpacked (${describeError(error)})`, error);
    }
    throw error;
  } finally {
    await file.close();
  }
}

async function writeChecked(
  file: FileHandle,
  chunk: Uint8Array,
  endBytes: number,
  hasRoom: () => Promise<void>,
): Promise<void> {
  const isPast = (stepBytes: number): boolean =>
    Math.floor(endBytes / stepBytes) > Math.floor((endBytes - chunk.byteLength) / stepBytes);
  if (isPast(lookForRoomEveryBytes)) await hasRoom();
  for (let offset = 0; offset < chunk.byteLength; ) {
    offset += (await file.write(chunk, offset, chunk.byteLength - offset)).bytesWritten;
  }
}

/** A connection that ends too early, told by its own code: the backup is not to blame. */
async function* orCut(source: AsyncIterable<Uint8Array>, operation: string): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    throw new QuorateError({
      code: 'upload-cut',
      kind: 'transient',
      operation,
      summary: `the connection ended before the archive did: ${describeError(error)}`,
      remedy: 'Send it again.',
      cause: error,
    });
  }
}

function finish(check: SnapshotCheck, operation: string): SeenSnapshot {
  try {
    return check.finish();
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    throw new QuorateError({
      code: error.code,
      kind: 'stalled',
      operation,
      summary: error.summary,
      remedy: 'Restore another backup; `quorate backup verify` says which ones are whole.',
      cause: error,
    });
  }
}

function altered(operation: string, summary: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'backup-altered',
    kind: 'stalled',
    operation,
    summary,
    remedy: 'Restore another backup; `quorate backup verify` says which ones are whole.',
    cause,
  });
}
