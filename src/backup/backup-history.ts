import { QuorateError } from '../base/errors.ts';
import { readBackupCheck } from './backup-check.ts';
import { readLastDrill } from './drill-results.ts';
import type { Backup, BackupCheck, BackupProof, DrillResult, ObjectStore } from './store.ts';

/** What the store tells of the periodic backups of one cluster. */
export interface BackupHistory {
  /** Newest first; all that exist. */
  readonly backups: readonly Backup[];
  readonly check: BackupCheck | undefined;
  readonly lastDrill: DrillResult | undefined;
}

export type VerifiedBackup = Backup & { readonly proof: BackupProof };

/** What goes with a list of backups. Rejects for a fault of the store. */
export async function readHistory(store: ObjectStore, backups: readonly Backup[]): Promise<BackupHistory> {
  const [check, lastDrill] = await Promise.all([readCheckIfSound(store), readLastDrill(store)]);
  return { backups, check, lastDrill };
}

/** A damaged note is as good as none: a backup too many is taken, and the note written anew. */
async function readCheckIfSound(store: ObjectStore): Promise<BackupCheck | undefined> {
  try {
    return await readBackupCheck(store);
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'backup-check-invalid') return undefined;
    throw error;
  }
}

/** The newest verified backup of the cluster with this id. */
export function newestVerified(backups: readonly Backup[], clusterId: string): VerifiedBackup | undefined {
  return backups.find((backup): backup is VerifiedBackup => backup.proof?.clusterId === clusterId);
}

/** By how much the clocks of those who write to a store may differ. What lies further ahead dates nothing. */
const clockToleranceMs = 300_000;

/**
 * Up to when the cluster is known to be backed up, in milliseconds since the epoch: its newest verified backup was
 * taken then, or it was seen then that nothing had been written since. Undefined: never.
 */
export function coveredUntilMs(
  { backups, check }: BackupHistory,
  clusterId: string,
  nowMs: number,
): number | undefined {
  const own = backups.filter(({ proof }) => proof?.clusterId === clusterId);
  // A note counts as long as what it points to is there.
  const isCheckSound = check?.clusterId === clusterId && own.some(({ name }) => name === check.backup);
  const times = [...own.map(({ takenAtMs }) => takenAtMs), ...(isCheckSound ? [check.checkedAtMs] : [])];
  const past = times.filter((time) => time <= nowMs + clockToleranceMs);
  return past.length === 0 ? undefined : Math.max(...past);
}

/** The last drill failed, and no backup was taken since, so nobody knows of one that can be restored. */
export function isNewBackupWanted({ backups, lastDrill }: BackupHistory, clusterId: string, nowMs: number): boolean {
  if (lastDrill?.outcome !== 'failed' || lastDrill.endedAtMs > nowMs + clockToleranceMs) return false;
  return (newestVerified(backups, clusterId)?.takenAtMs ?? 0) <= lastDrill.endedAtMs;
}
