import { createHash } from 'node:crypto';
import { finished } from 'node:stream/promises';
import { createGunzip, type Gunzip } from 'node:zlib';
import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import type { Transfer } from '../base/transfer.ts';
import { checkName, keysOf } from './backup-name.ts';
import { readProof } from './catalog.ts';
import { parseMeta } from './meta.ts';
import { type SeenSnapshot, SnapshotCheck } from './snapshot-check.ts';
import { guardStalls } from './stall-guard.ts';
import type { BackupProof, ObjectStore } from './store.ts';
import { objectNotFound } from './store-errors.ts';

export interface BackupVerification {
  readonly name: string;
  /** True when there is no problem. */
  readonly whole: boolean;
  /** One clause each, for people. */
  readonly problems: readonly string[];
  /** What the stored archive is now. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Whether there was a proof to compare with; without one only the snapshot's own hash counts. */
  readonly hasProof: boolean;
  /** The database in it; null when it is not whole. */
  readonly snapshot: SeenSnapshot | null;
}

export interface VerifyOptions {
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence of the store, in milliseconds; default 60 000. */
  readonly stallTimeoutMs?: number | undefined;
  /** Called for each piece of the archive that was read. */
  readonly progress?: ((transfer: Transfer) => void) | undefined;
}

/**
 * Reads a backup to its end: the archive's SHA-256 against the proof if there is one, the gzip
 * stream, and the hash that the snapshot ends with. What is wrong with the backup is in the result;
 * it rejects only for a fault of the store, and with `object-not-found` or `backup-name-invalid`.
 */
export async function verifyBackup(
  store: ObjectStore,
  name: string,
  options: VerifyOptions,
): Promise<BackupVerification> {
  checkName(name);
  const keys = keysOf(name);
  const operation = `verify the backup ${name}`;
  const meta = await store.read(keys.meta);
  if (meta === undefined) throw objectNotFound(operation, keys.meta);
  const problems: string[] = [];
  collect(problems, 'backup-meta-invalid', () => parseMeta(keys.meta, meta.content));
  const proof = await readProof(store, name).catch((error: unknown) => {
    collect(problems, 'backup-proof-invalid', () => {
      throw error;
    });
    return undefined;
  });
  const archive: AsyncIterable<Uint8Array> = await store.open(keys.archive);
  const watched = told(archive, proof?.sizeBytes, options.progress);
  const seen = await readArchive(
    guardStalls(watched, { ...options, operation, timeoutMs: options.stallTimeoutMs ?? 60_000 }),
    problems,
  );
  if (proof !== undefined) compare(proof, seen, problems);
  return { name, whole: problems.length === 0, problems, hasProof: proof !== undefined, ...seen };
}

async function* told(
  archive: AsyncIterable<Uint8Array>,
  totalBytes: number | undefined,
  tell: VerifyOptions['progress'],
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of archive) {
    doneBytes += chunk.byteLength;
    tell?.({ label: 'reading', doneBytes, totalBytes });
    yield chunk;
  }
}

type SeenArchive = Pick<BackupVerification, 'sha256' | 'sizeBytes' | 'snapshot'>;

/** Reads on after the gzip stream has failed, so that the archive's own hash is always told. */
async function readArchive(archive: AsyncIterable<Uint8Array>, problems: string[]): Promise<SeenArchive> {
  const hash = createHash('sha256');
  const check = new SnapshotCheck();
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  gunzip.on('data', (chunk: Uint8Array) => check.update(chunk));
  const unpacked = finished(gunzip).then(
    () => undefined,
    (error: unknown) => error,
  );
  let sizeBytes = 0;
  try {
    for await (const chunk of archive) {
      const fed = feed(gunzip, chunk);
      // While zlib unpacks it on a thread of its own.
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      await fed;
    }
    gunzip.end();
    const failure = await unpacked;
    const sha256 = hash.digest('hex');
    if (failure !== undefined) {
      problems.push(`the archive cannot be unpacked (${describeError(failure)})`);
      return { sha256, sizeBytes, snapshot: null };
    }
    // Zeros after the last member are passed over by zlib and fatal elsewhere.
    const strayBytes = sizeBytes - gunzip.bytesWritten;
    if (strayBytes > 0) problems.push(`${strayBytes} stray bytes follow the archive`);
    const snapshot = collect(problems, 'snapshot-corrupt', () => check.finish());
    return { sha256, sizeBytes, snapshot: snapshot ?? null };
  } finally {
    gunzip.destroy();
  }
}

/** Resolves when the chunk is worked off, or the stream has failed; zlib calls nobody back then. */
async function feed(gunzip: Gunzip, chunk: Uint8Array): Promise<void> {
  if (gunzip.destroyed || gunzip.readableEnded) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      gunzip.off('close', done);
      resolve();
    };
    gunzip.once('close', done);
    gunzip.write(chunk, done);
  });
}

function compare(proof: BackupProof, seen: SeenArchive, problems: string[]): void {
  if (seen.sizeBytes !== proof.sizeBytes) {
    problems.push(`the archive has ${seen.sizeBytes} bytes, and had ${proof.sizeBytes} when it was taken`);
  }
  if (seen.sha256 !== proof.sha256) {
    problems.push(`the archive has SHA-256 ${seen.sha256}, and had ${proof.sha256} when it was taken`);
  }
  if (seen.snapshot !== null && seen.snapshot.dbSizeBytes !== proof.dbSizeBytes) {
    problems.push(
      `the database has ${seen.snapshot.dbSizeBytes} bytes, and had ${proof.dbSizeBytes} when it was taken`,
    );
  }
}

/** Turns an error with the given code into a problem; any other passes. */
function collect<T>(problems: string[], code: string, act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== code) throw error;
    problems.push(`${error.operation}: ${error.summary}`);
    return undefined;
  }
}
