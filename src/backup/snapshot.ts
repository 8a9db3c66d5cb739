import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { claimName, keysOf } from './backup-name.ts';
import { gzipInParallel } from './gzip.ts';
import { removeLeftovers } from './leftovers.ts';
import { renderMeta } from './meta.ts';
import { SnapshotCheck } from './snapshot-check.ts';
import { guardStalls } from './stall-guard.ts';
import type { Backup, BackupProof, ObjectStore } from './store.ts';
import { renderStored } from './stored-json.ts';

/** What the caller knows of the cluster at the moment of the snapshot. */
export type BackupFacts = Pick<
  BackupProof,
  | 'revision'
  | 'hash'
  | 'compactRevision'
  | 'keyCount'
  | 'clusterId'
  | 'source'
  | 'members'
  | 'reason'
  | 'commit'
  | 'run'
> & { readonly etcdVersion: string; readonly memberCount: number };

export interface BackupProgress {
  readonly phase: 'writing' | 'reading-back';
  /** Bytes of the snapshot taken so far. */
  readonly snapshotBytes: number;
  /** Compressed bytes written, or read back, so far. */
  readonly storedBytes: number;
}

export interface BackupRequest {
  /** The raw stream of a snapshot; see `EtcdApi.snapshot`. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly store: ObjectStore;
  /** A promise when they are still being found out while the snapshot streams; the caller handles its failure too. */
  readonly facts: BackupFacts | Promise<BackupFacts>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly progress?: ((progress: BackupProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of the source or of the store that is read back; default 60 000. */
  readonly stallTimeoutMs?: number | undefined;
}

/**
 * Takes one backup: checks the stream while it is compressed and written, reads the object back,
 * and lists it last, so that a backup that can be seen is whole. Memory does not grow with the
 * database. Rejects with `snapshot-corrupt`, `stream-stalled`, `backup-altered`, an error of the
 * store, or what the source failed with; nothing is listed then, and what was written is removed.
 */
export async function takeBackup(request: BackupRequest): Promise<Backup> {
  const { store, clock, log } = request;
  const operation = `take a backup to ${store.url}`;
  let name: string | undefined;
  try {
    await removeLeftovers(store, clock, log);
    name = await claimName(store, clock);
    const takenAtMs = Math.floor(clock.now() / 1000) * 1000;
    const written = await writeArchive(request, name, operation);
    await readBack(request, name, written, operation);
    const { etcdVersion, memberCount, ...facts } = await request.facts;
    const proof: BackupProof = { formatVersion: '1.0', ...written, ...facts, verifiedAtMs: clock.now() };
    request.signal?.throwIfAborted();
    await store.write(keysOf(name).proof, renderStored(proof), { type: 'if-absent' });
    const meta = renderMeta({ etcdVersion, memberCount, takenAtMs });
    await store.write(keysOf(name).meta, meta, { type: 'if-absent' });
    await dropClaim(store, name, log);
    log.info({ backup: name, sizeBytes: written.sizeBytes, revision: proof.revision }, 'backup taken and verified');
    return { name, takenAtMs, etcdVersion, memberCount, proof };
  } catch (error) {
    if (name !== undefined) await clearAway(store, name, log);
    throw asQuorateError(error, { code: 'backup-failed', kind: 'transient', operation });
  }
}

type Written = Pick<BackupProof, 'sha256' | 'sizeBytes' | 'dbSizeBytes'>;

async function writeArchive(request: BackupRequest, name: string, operation: string): Promise<Written> {
  const { store, source, progress } = request;
  const check = new SnapshotCheck();
  const hash = createHash('sha256');
  let storedBytes = 0;
  let dbSizeBytes = 0;

  async function* checked(): AsyncGenerator<Uint8Array> {
    for await (const chunk of guardStalls(source, stallOptions(request, operation))) {
      check.update(chunk);
      yield chunk;
    }
    // Throwing here, before the end of the stream, keeps the store from making the object.
    dbSizeBytes = check.finish().dbSizeBytes;
  }

  async function* compressed(): AsyncGenerator<Uint8Array> {
    for await (const part of gzipInParallel(checked())) {
      hash.update(part);
      storedBytes += part.byteLength;
      progress?.({ phase: 'writing', snapshotBytes: check.sizeBytes, storedBytes });
      yield part;
    }
  }

  const { sizeBytes } = await store.writeStream(keysOf(name).archive, compressed());
  if (sizeBytes !== storedBytes) throw altered(operation, `${storedBytes} bytes were sent and ${sizeBytes} stored`);
  return { sha256: hash.digest('hex'), sizeBytes, dbSizeBytes };
}

/** What was written has to be there, byte for byte, before anybody relies on it. */
async function readBack(request: BackupRequest, name: string, written: Written, operation: string): Promise<void> {
  const hash = createHash('sha256');
  let storedBytes = 0;
  const stream: AsyncIterable<Uint8Array> = await request.store.open(keysOf(name).archive);
  for await (const chunk of guardStalls(stream, stallOptions(request, operation))) {
    hash.update(chunk);
    storedBytes += chunk.byteLength;
    request.progress?.({ phase: 'reading-back', snapshotBytes: written.dbSizeBytes + 32, storedBytes });
  }
  const sha256 = hash.digest('hex');
  if (storedBytes === written.sizeBytes && sha256 === written.sha256) return;
  throw altered(
    operation,
    `${written.sizeBytes} bytes with SHA-256 ${written.sha256.slice(0, 16)}… were written, ${storedBytes} with ${sha256.slice(0, 16)}… were read back`,
  );
}

function stallOptions({ clock, signal, stallTimeoutMs }: BackupRequest, operation: string) {
  return { clock, signal, operation, timeoutMs: stallTimeoutMs ?? 60_000 };
}

/** Without its meta the backup does not exist; the meta goes first, and the claim last, for `removeLeftovers`. */
async function clearAway(store: ObjectStore, name: string, log: Logger): Promise<void> {
  const { meta, proof, archive, claim } = keysOf(name);
  for (const key of [meta, proof, archive, claim]) {
    try {
      await store.delete(key);
    } catch (error) {
      log.warn(
        { backup: name, error: describeError(error) },
        'could not clear away an unfinished backup; it is not listed',
      );
      return;
    }
  }
}

async function dropClaim(store: ObjectStore, name: string, log: Logger): Promise<void> {
  try {
    await store.delete(keysOf(name).claim);
  } catch (error) {
    // The backup is whole and listed; a claim beside it is ignored.
    log.warn({ backup: name, error: describeError(error) }, 'could not remove the claim of a finished backup');
  }
}

function altered(operation: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'backup-altered',
    kind: 'stalled',
    operation,
    summary: `the store does not hold what was written: ${seen}`,
    remedy: 'Check the disk or server behind the store. The backup was not listed.',
  });
}
