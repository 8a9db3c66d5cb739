import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { openWorkFolder, type WorkFolder } from '../coordination/work-folder.ts';
import type { Binaries, EtcdBinary } from '../etcd/binaries.ts';
import { restoreScratch, startScratch } from '../etcd/scratch.ts';
import { keysOf } from './backup-name.ts';
import { checkScratch, type DrillFindings } from './drill-check.ts';
import { isAboutBackup } from './drill-verdict.ts';
import { releaseForBackup } from './restore-release.ts';
import type { Backup, DrillResult, ObjectStore } from './store.ts';
import { checkRoom, type UnpackProgress, unpackBackup } from './unpack.ts';

export interface DrillRequest {
  readonly store: ObjectStore;
  readonly backup: Backup;
  readonly binaries: Binaries;
  /** Takes the folder that the drill works in, twice the size of the database; what dead drills left there is removed. */
  readonly workRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((phase: DrillPhase) => void) | undefined;
  /** Longest time for the restore by etcd's tool, and for the start, in milliseconds; default 1 h each. */
  readonly timeoutMs?: number | undefined;
}

export type DrillPhase =
  | ({ readonly phase: 'fetch' } & UnpackProgress)
  | { readonly phase: 'restore' | 'start' | 'check' };

export interface DrillReport {
  readonly result: DrillResult;
  /** What was not as exact as it could have been, one sentence each: another patch release, nothing to compare with. */
  readonly notes: readonly string[];
}

const defaultTimeoutMs = 3_600_000;
/** etcd makes two segments of its write-ahead log at once, 64 MB each; the rest is for the log and good measure. */
const reserveBytes = 256 * 1024 ** 2;

type Timings = { -readonly [name in keyof DrillResult['timings']]: number };

/**
 * Restores one backup into an etcd that nobody else can reach, and compares what is in it with what was recorded
 * when it was taken. Nothing of it is left when this settles. A backup that is wrong is `failed`; trouble that says
 * nothing about it is `impossible`. Rejects only with the signal's reason. The result is not stored.
 */
export async function drillBackup(request: DrillRequest): Promise<DrillReport> {
  const { backup, clock, log, signal } = request;
  const startedAtMs = Math.round(clock.now());
  const timings: Timings = { fetchMs: 0, restoreMs: 0, startMs: 0, checkMs: 0 };
  const notes: string[] = [];
  let etcdVersion = backup.etcdVersion;
  const settle = (outcome: DrillResult['outcome'], problem: string | null, seen?: DrillFindings): DrillReport => ({
    result: {
      formatVersion: '1.0',
      backup: backup.name,
      outcome,
      problem: problem === null ? null : problem.slice(0, 5000),
      etcdVersion,
      startedAtMs,
      endedAtMs: Math.round(clock.now()),
      keyCount: seen?.keyCount ?? null,
      revision: seen?.revision ?? null,
      hash: seen?.hash ?? null,
      hashCompared: seen?.hashCompared ?? false,
      timings,
    },
    notes,
  });
  let folder: WorkFolder | undefined;
  try {
    signal?.throwIfAborted();
    const binary = await releaseForBackup(request.binaries, backup, signal);
    etcdVersion = binary.version;
    if (etcdVersion !== backup.etcdVersion)
      notes.push(`etcd ${backup.etcdVersion} was not at hand; it was restored with ${etcdVersion}`);
    folder = await openWorkFolder({ root: request.workRoot, clock, log });
    const seen = await restoreAndCheck(request, binary, folder, timings);
    notes.push(...seen.notes);
    const wrong = seen.problems.join('; ');
    return settle(wrong === '' ? 'passed' : 'failed', wrong === '' ? null : wrong, seen);
  } catch (error) {
    signal?.throwIfAborted();
    const operation = `drill the backup ${backup.name}`;
    const failure = asQuorateError(error, { code: 'drill-impossible', kind: 'transient', operation });
    const isFailed = isAboutBackup(failure) && !(await isGone(request));
    return settle(isFailed ? 'failed' : 'impossible', `${failure.message} [${failure.code}]`);
  } finally {
    await folder?.close().catch((error: unknown) => {
      log.warn({ error: String(error) }, 'the folder of a drill could not be removed; the next drill tries again');
    });
  }
}

async function restoreAndCheck(
  request: DrillRequest,
  binary: EtcdBinary,
  { path, mark }: WorkFolder,
  timings: Timings,
): Promise<DrillFindings> {
  const { backup, store, clock, signal, progress, timeoutMs = defaultTimeoutMs } = request;
  const timed = async <T>(name: keyof Timings, work: () => Promise<T>): Promise<T> => {
    const beganMs = clock.monotonic();
    try {
      return await work();
    } finally {
      timings[name] = Math.round(clock.monotonic() - beganMs);
    }
  };
  const { name, proof } = backup;
  const file = join(path, 'snapshot.db');
  const { dbSizeBytes } = await timed('fetchMs', async () => {
    if (proof !== undefined) await checkRoom(path, 2 * proof.dbSizeBytes + reserveBytes, `drill the backup ${name}`);
    const told = (seen: UnpackProgress): void => progress?.({ phase: 'fetch', ...seen });
    return unpackBackup({ store, name, proof, file, clock, signal, progress: told });
  });
  const scratch = { binary, folder: path, mark, clock, signal, timeoutMs };
  progress?.({ phase: 'restore' });
  await timed('restoreMs', async () => {
    await checkRoom(path, dbSizeBytes + reserveBytes, `drill the backup ${name}`);
    await restoreScratch(scratch, file);
    await rm(file, { force: true });
  });
  progress?.({ phase: 'start' });
  const running = await timed('startMs', () => startScratch(scratch));
  try {
    progress?.({ phase: 'check' });
    return await timed('checkMs', () => checkScratch(running, backup, binary.version));
  } finally {
    await running.stop();
  }
}

/** A backup that retention removed while it was read is not a broken one. */
async function isGone({ store, backup }: DrillRequest): Promise<boolean> {
  try {
    return (await store.read(keysOf(backup.name).meta)) === undefined;
  } catch (error) {
    // The store's own fault; it does not clear the backup.
    if (error instanceof QuorateError) return false;
    throw error;
  }
}
