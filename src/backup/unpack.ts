import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { syncFolder } from '../base/files.ts';
import { formatSize } from '../base/size.ts';
import { checkName, keysOf } from './backup-name.ts';
import { type SeenSnapshot, SnapshotCheck } from './snapshot-check.ts';
import { guardStalls } from './stall-guard.ts';
import type { BackupProof, ObjectStore } from './store.ts';
import { isOutOfSpace } from './store-errors.ts';

export interface UnpackRequest {
  readonly store: ObjectStore;
  readonly name: string;
  /** What the archive has to be; undefined for a backup that another program wrote. */
  readonly proof: BackupProof | undefined;
  /** Takes the snapshot with its trailing hash, 0600; must not exist. */
  readonly file: string;
  readonly clock: Clock;
  readonly progress?: ((progress: UnpackProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of the store, in milliseconds; default 60 000. */
  readonly stallTimeoutMs?: number | undefined;
}

export interface UnpackProgress {
  /** Of the archive, so far. */
  readonly storedBytes: number;
  /** Of the snapshot, so far. */
  readonly snapshotBytes: number;
  /** Size of the snapshot where the proof tells it. */
  readonly totalBytes: number | undefined;
}

const hashBytes = 32;

/**
 * Reads a backup out of the store into a file, which is durable and proven when this resolves, and gone when it
 * rejects. Memory does not grow with the database. Rejects with `backup-altered` (not what the proof says),
 * `snapshot-corrupt` (not a whole snapshot), `object-not-found`, `disk-full`, an error of the store, or the
 * signal's reason.
 */
export async function unpackBackup(request: UnpackRequest): Promise<SeenSnapshot> {
  const { file, proof, signal } = request;
  checkName(request.name);
  signal?.throwIfAborted();
  const operation = `unpack the backup ${request.name}`;
  if (proof !== undefined) await checkRoom(dirname(file), proof.dbSizeBytes + hashBytes, operation);
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'wx', 0o600);
    const seen = await readInto(handle, request, operation);
    await handle.sync();
    await handle.close();
    await syncFolder(dirname(file));
    return seen;
  } catch (error) {
    await handle?.close().catch(() => undefined);
    // Never somebody else's: without a handle it was not made here.
    if (handle !== undefined) await rm(file, { force: true });
    signal?.throwIfAborted();
    if (isOutOfSpace(error)) throw await diskFull(dirname(file), proof, operation, error);
    throw asQuorateError(error, { code: 'unpack-failed', kind: 'transient', operation });
  }
}

async function readInto(handle: FileHandle, request: UnpackRequest, operation: string): Promise<SeenSnapshot> {
  const { store, name, proof, clock, signal, progress, stallTimeoutMs = 60_000 } = request;
  const archive: AsyncIterable<Uint8Array> = await store.open(keysOf(name).archive);
  const hash = createHash('sha256');
  const check = new SnapshotCheck();
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  const limitBytes = proof === undefined ? Number.POSITIVE_INFINITY : proof.dbSizeBytes + hashBytes;
  let storedBytes = 0;

  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of guardStalls(archive, { clock, signal, operation, timeoutMs: stallTimeoutMs })) {
      hash.update(chunk);
      storedBytes += chunk.byteLength;
      yield chunk;
    }
  }

  async function write(unpacked: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const chunk of unpacked) {
      check.update(chunk);
      // An altered archive must not fill the disk.
      if (check.sizeBytes > limitBytes)
        throw altered(operation, `it unpacks to more than the ${limitBytes} bytes that it had when it was taken`);
      await writeAll(handle, chunk);
      progress?.({
        storedBytes,
        snapshotBytes: check.sizeBytes,
        totalBytes: proof === undefined ? undefined : limitBytes,
      });
    }
  }

  try {
    await pipeline(counted, gunzip, write, signal === undefined ? {} : { signal });
  } catch (error) {
    if (!isZlibError(error)) throw error;
    const seen = `the archive cannot be unpacked after ${storedBytes} bytes (${describeError(error)})`;
    throw proof === undefined ? corrupt(operation, seen) : altered(operation, seen);
  }
  if (proof !== undefined) compare(proof, hash.digest('hex'), storedBytes, operation);
  // Zeros after the last member are passed over by zlib and fatal elsewhere.
  const strayBytes = storedBytes - gunzip.bytesWritten;
  if (strayBytes > 0) throw corrupt(operation, `${strayBytes} stray bytes follow the archive`);
  const snapshot = check.finish();
  if (proof !== undefined && snapshot.dbSizeBytes !== proof.dbSizeBytes)
    throw altered(operation, `the database has ${snapshot.dbSizeBytes} bytes instead of ${proof.dbSizeBytes}`);
  return snapshot;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) {
    const { bytesWritten } = await handle.write(chunk, offset);
    offset += bytesWritten;
  }
}

function compare(proof: BackupProof, sha256: string, sizeBytes: number, operation: string): void {
  if (sizeBytes !== proof.sizeBytes)
    throw altered(operation, `the archive has ${sizeBytes} bytes, and had ${proof.sizeBytes} when it was taken`);
  if (sha256 !== proof.sha256)
    throw altered(operation, `the archive has SHA-256 ${sha256}, and had ${proof.sha256} when it was taken`);
}

/** Rejects with `disk-full` when a folder has no room for that many bytes. */
export async function checkRoom(folder: string, neededBytes: number, operation: string): Promise<void> {
  const freeBytes = await freeBytesOf(folder);
  if (freeBytes === undefined || freeBytes >= neededBytes) return;
  throw noRoom(operation, `${folder} has ${formatSize(freeBytes)} free and ${formatSize(neededBytes)} are needed`);
}

async function diskFull(
  folder: string,
  proof: BackupProof | undefined,
  operation: string,
  cause: unknown,
): Promise<QuorateError> {
  const free = formatSize((await freeBytesOf(folder)) ?? 0);
  const needed = proof === undefined ? '' : ` of ${formatSize(proof.dbSizeBytes + hashBytes)}`;
  return noRoom(operation, `no space was left in ${folder} for the database${needed}; ${free} are free again`, cause);
}

async function freeBytesOf(folder: string): Promise<number | undefined> {
  const stats = await statfs(folder).catch(() => undefined);
  return stats === undefined ? undefined : stats.bavail * stats.bsize;
}

function noRoom(operation: string, summary: string, cause?: unknown): QuorateError {
  const remedy = 'Free space there, or give a folder on a larger file system.';
  return new QuorateError({ code: 'disk-full', kind: 'stalled', operation, summary, remedy, cause });
}

function altered(operation: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'backup-altered',
    kind: 'stalled',
    operation,
    summary: `the store does not hold what was written and proven: ${seen}`,
    remedy: 'Use another backup, and find out what changes or damages objects in the store.',
  });
}

function corrupt(operation: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'snapshot-corrupt',
    kind: 'stalled',
    operation,
    summary: `it holds no whole snapshot: ${seen}`,
    remedy: 'Use another backup; `quorate backup verify` tells which ones are whole.',
  });
}

function isZlibError(error: unknown): boolean {
  const code = systemErrorCode(error) ?? '';
  return code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE';
}
