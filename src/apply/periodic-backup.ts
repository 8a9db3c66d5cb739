import { writeBackupCheck } from '../backup/backup-check.ts';
import {
  type BackupHistory,
  coveredUntilMs,
  isNewBackupWanted,
  newestVerified,
  readHistory,
} from '../backup/backup-history.ts';
import type { BackupCatalog } from '../backup/catalog.ts';
import type { Backup, ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { dueAfter, type Schedule } from '../base/schedule.ts';
import type { Transfer } from '../base/transfer.ts';
import type { BackupOrigin } from './backup-origin.ts';
import { takeBackupFrom } from './take-backup.ts';

export interface PeriodicBackupInput {
  readonly cluster: string;
  readonly schedule: Schedule;
  readonly store: ObjectStore;
  readonly catalog: BackupCatalog;
  readonly clock: Clock;
  /** Hexadecimal; backups of another cluster with the same name do not count. */
  readonly clusterId: string;
  /** Looks for a member to read from; asked only when a backup is due. */
  readonly origin: () => Promise<BackupOrigin>;
  readonly commit: string | null;
  readonly log: Logger;
  readonly progress: (transfer: Transfer) => void;
  readonly signal?: AbortSignal | undefined;
}

/** `unchanged`: it was due, but nothing had been written since that backup, which is now on record. */
export type PeriodicOutcome =
  | { readonly type: 'not-due'; readonly dueAtMs: number }
  | { readonly type: 'taken'; readonly backup: Backup; readonly dueAtMs: number }
  | { readonly type: 'unchanged'; readonly backup: string; readonly revision: number; readonly dueAtMs: number };

/**
 * Takes a backup if one is due. The store and the clock alone decide, so that a restart neither repeats nor forgets
 * one, and any verified backup counts, whatever it was taken for. Rejects when one is due and could not be taken.
 */
export async function backUpIfDue(input: PeriodicBackupInput): Promise<PeriodicOutcome> {
  const { store, catalog, clock, clusterId, cluster, schedule } = input;
  const history = await readHistory(store, (await catalog.list()).backups);
  const isWanted = isNewBackupWanted(history, clusterId, clock.now());
  const dueAtMs = isWanted ? 0 : dueAt(input, history);
  if (clock.now() < dueAtMs) return { type: 'not-due', dueAtMs };
  const origin = await input.origin();
  if (origin.clusterId !== clusterId) throw otherCluster(input, origin.clusterId);
  const newest = newestVerified(history.backups, clusterId);
  if (!isWanted && newest !== undefined && newest.proof.revision === origin.revision) {
    const { name: backup } = newest;
    const { revision } = origin;
    const checkedAtMs = clock.now();
    await writeBackupCheck(store, { formatVersion: '1.0', backup, clusterId, revision, checkedAtMs });
    input.log.info({ backup, revision }, 'no backup was taken: nothing has been written since the last one');
    return { type: 'unchanged', backup, revision, dueAtMs: dueAfter(schedule, checkedAtMs, cluster) };
  }
  const backup = await takeBackupFrom({ ...input, origin, reason: 'periodic', runId: null });
  return { type: 'taken', backup, dueAtMs: dueAfter(schedule, backup.takenAtMs, cluster) };
}

function dueAt({ clusterId, schedule, cluster, clock }: PeriodicBackupInput, history: BackupHistory): number {
  const untilMs = coveredUntilMs(history, clusterId, clock.now());
  return untilMs === undefined ? 0 : dueAfter(schedule, untilMs, cluster);
}

/** For a store that is that of another cluster. */
export function otherCluster(
  { cluster, clusterId, store }: Pick<PeriodicBackupInput, 'cluster' | 'clusterId' | 'store'>,
  seenId: string,
): QuorateError {
  return new QuorateError({
    code: 'backup-other-cluster',
    kind: 'stalled',
    operation: `back up ${cluster}`,
    summary: `the cluster that answers has the id ${seenId}, and ${clusterId} is the one on record in ${store.url}`,
    remedy: 'See which cluster is the right one; `quorate plan` says what stands in the way.',
  });
}
