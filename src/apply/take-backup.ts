import { type BackupFacts, type BackupProgress, takeBackup } from '../backup/snapshot.ts';
import type { Backup, ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Transfer } from '../base/transfer.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Sight } from '../observe/sight.ts';
import { type BackupOrigin, clusterOrigin } from './backup-origin.ts';

interface BackupPurpose {
  readonly cluster: string;
  readonly reason: string;
  readonly commit: string | null;
  readonly runId: string | null;
  readonly log: Logger;
  /** Called for each part, some MiB; whoever shows it chooses how often. */
  readonly progress: (transfer: Transfer) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface TakeBackupInput extends BackupPurpose {
  readonly live: LiveState;
  readonly sight: Sight;
  /** Host to read from; by default a healthy follower. */
  readonly source?: string | undefined;
}

export interface BackupOrder extends BackupPurpose {
  readonly origin: BackupOrigin;
  readonly store: ObjectStore;
  readonly clock: Clock;
}

/** Somebody compacted away the revision that was to be counted and hashed; that it happens so often in a row means trouble. */
const maxAttempts = 3;

/** Reads a snapshot from one member into the store, and verifies it there. */
export async function takeClusterBackup(input: TakeBackupInput): Promise<Backup> {
  const { live, sight, source } = input;
  const origin = await clusterOrigin(live, sight, source);
  return takeBackupFrom({ ...input, origin, store: sight.store, clock: sight.clock });
}

/**
 * The same from a member that was chosen already. Beside the proof of the archive it records how many keys there
 * are and what they hash to, for the day on which the backup is restored.
 */
export async function takeBackupFrom(order: BackupOrder): Promise<Backup> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptBackup(order);
    } catch (error) {
      const isCompacted = error instanceof QuorateError && error.code === 'revision-compacted';
      if (!isCompacted || attempt === maxAttempts || order.signal?.aborted === true) throw error;
      order.log.info({ attempt }, 'the revision was compacted away while it was backed up; once more');
    }
  }
}

async function attemptBackup(order: BackupOrder): Promise<Backup> {
  const { etcd, url } = order.origin;
  order.signal?.throwIfAborted();
  const { version, revision, dbSizeBytes } = await etcd.status(url);
  const keyCount = await etcd.keyCount(url, revision);
  // Hashing reads the whole database, as the snapshot does: both at once, or it would take twice as long.
  const hashFailed = new AbortController();
  const signal = order.signal === undefined ? hashFailed.signal : AbortSignal.any([order.signal, hashFailed.signal]);
  let hashError: QuorateError | undefined;
  const facts = etcd
    .hashKv(url, revision)
    .then(({ hash, compactRevision }) => factsOf(order, { version, revision, keyCount, hash, compactRevision }));
  facts.catch((error: unknown) => {
    hashError = notHashed(order, revision, error);
    hashFailed.abort(hashError);
  });
  try {
    return await takeBackup({
      source: etcd.snapshot(url, signal),
      store: order.store,
      clock: order.clock,
      log: order.log,
      signal,
      facts,
      progress: transfers(dbSizeBytes, order.progress),
    });
  } catch (error) {
    throw hashError ?? error;
  }
}

interface Seen {
  readonly version: string;
  readonly revision: number;
  readonly keyCount: number;
  readonly hash: number;
  readonly compactRevision: number;
}

function factsOf({ origin, reason, commit, runId }: BackupOrder, { version, ...seen }: Seen): BackupFacts {
  return {
    ...seen,
    clusterId: origin.clusterId,
    source: origin.source,
    members: origin.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls })),
    memberCount: origin.members.filter((member) => !member.isLearner).length,
    etcdVersion: version,
    reason,
    commit,
    run: runId,
  };
}

function notHashed({ cluster, origin }: BackupOrder, revision: number, cause: unknown): QuorateError {
  const operation = `back up ${cluster}`;
  const { code, kind, summary } = asQuorateError(cause, { code: 'backup-failed', kind: 'transient', operation });
  return new QuorateError({
    code: code === 'revision-compacted' ? code : 'backup-failed',
    kind,
    operation,
    summary: `the keys of ${origin.source} could not be hashed at revision ${revision}, so no restore could be compared with them: ${summary}`,
    remedy:
      'See whether that member answers and its disk is not overloaded. Nothing was listed; it is safe to try again.',
    cause,
  });
}

/** The size of the database is known before, that of the archive when it is written. */
function transfers(dbSizeBytes: number, tell: (transfer: Transfer) => void): (progress: BackupProgress) => void {
  let archiveBytes = 0;
  return ({ phase, snapshotBytes, storedBytes }) => {
    if (phase === 'writing') {
      archiveBytes = storedBytes;
      tell({ label: 'writing', doneBytes: snapshotBytes, totalBytes: dbSizeBytes });
    } else tell({ label: 'reading back', doneBytes: storedBytes, totalBytes: archiveBytes });
  };
}
