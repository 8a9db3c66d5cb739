import { formatDuration } from '../base/duration.ts';
import type { KeepSpec } from '../spec/cluster-spec.ts';
import { timeOfName } from './backup-name.ts';
import type { Backup } from './store.ts';

/** What may not be deleted, whatever its age. */
export interface Protections {
  /** Backups that something names, with who names them: `bootstrap.from.backup of the spec`. */
  readonly named: readonly NamedBackup[];
  /** Backups about which something could not be read, with what; nobody knows what would be lost with them. */
  readonly unreadable: readonly { readonly name: string; readonly why: string }[];
}

export interface NamedBackup {
  readonly name: string;
  readonly by: string;
}

export interface RetentionVerdict {
  readonly name: string;
  readonly verdict: 'keep' | 'delete';
  /** One clause each, for people; never empty. */
  readonly reasons: readonly string[];
}

/** A run that is under way, a person who is about to use what was just taken: nothing so young is in the way. */
const youngMs = 3_600_000;
const dayMs = 86_400_000;

interface Period {
  readonly noun: 'hour' | 'day' | 'week';
  readonly count: (keep: KeepSpec) => number;
  /** A number that rises with time and is the same for all times of one period. */
  readonly bucketOf: (ms: number) => number;
}

const periods: readonly Period[] = [
  { noun: 'hour', count: (keep) => keep.hourly, bucketOf: (ms) => Math.floor(ms / 3_600_000) },
  { noun: 'day', count: (keep) => keep.daily, bucketOf: (ms) => Math.floor(ms / dayMs) },
  // The first of January 1970 was a Thursday; ISO weeks begin on Monday.
  { noun: 'week', count: (keep) => keep.weekly, bucketOf: (ms) => Math.floor((ms + 3 * dayMs) / (7 * dayMs)) },
];

/**
 * Says for each backup whether it stays, and why. Periods are counted among those that hold a backup, so a pause
 * in taking them deletes nothing; within one, a verified backup is preferred to a newer unverified one. Pure, and
 * stable: what is left after the deletions is kept by the same words again.
 *
 * `backups` come newest first, as the catalog lists them; so does the result, with the unreadable ones among them.
 */
export function judgeBackups(
  backups: readonly Backup[],
  keep: KeepSpec,
  nowMs: number,
  protections: Protections,
): readonly RetentionVerdict[] {
  const reasons = new Map<string, string[]>(backups.map(({ name }) => [name, []]));
  const add = (name: string, reason: string): void => void reasons.get(name)?.push(reason);

  backups.slice(0, keep.last).forEach(({ name }, index) => {
    add(name, index === 0 ? 'the newest' : `number ${index + 1} of the newest ${keep.last}`);
  });
  for (const period of periods) keepByPeriod(backups, period, period.count(keep), add);
  protect(backups, nowMs, protections, add);

  const unreadable = new Set(protections.unreadable.map(({ name }) => name));
  const judged = backups.map((backup) => {
    // Where a proof is there but damaged, that is the reason to show.
    const isForeign = !isVerified(backup) && !unreadable.has(backup.name);
    return verdictOf(backup.name, reasons.get(backup.name) ?? [], isForeign);
  });
  const others = protections.unreadable.filter(({ name }) => !reasons.has(name)).map(unreadableVerdict);
  return [...judged, ...others].toSorted((a, b) => (a.name < b.name ? 1 : a.name > b.name ? -1 : 0));
}

type AddReason = (name: string, reason: string) => void;

function keepByPeriod(backups: readonly Backup[], { noun, bucketOf }: Period, count: number, add: AddReason): void {
  const best = new Map<number, Backup>();
  for (const backup of backups) {
    const bucket = bucketOf(backup.takenAtMs);
    const before = best.get(bucket);
    if (before === undefined || (isVerified(backup) && !isVerified(before))) best.set(bucket, backup);
  }
  const kept = [...best].toSorted(([a], [b]) => b - a).slice(0, count);
  for (const [, backup] of kept) add(backup.name, `the newest${isVerified(backup) ? ' verified' : ''} of its ${noun}`);
}

function protect(backups: readonly Backup[], nowMs: number, protections: Protections, add: AddReason): void {
  const newestVerified = backups.find(isVerified);
  if (newestVerified !== undefined) add(newestVerified.name, 'protected: the newest verified');
  const lastRun = backups.find(isBeforeChange)?.proof?.run;
  for (const backup of backups) {
    if (isBeforeChange(backup) && backup.proof?.run === lastRun)
      add(backup.name, `protected: taken before the last change (run ${lastRun ?? '-'})`);
    // The later of the two: a name or a meta that another program dated wrongly must not make it old.
    const ageMs = nowMs - Math.max(backup.takenAtMs, timeOfName(backup.name) ?? 0);
    if (ageMs < 0) add(backup.name, 'protected: dated in the future');
    else if (ageMs < youngMs) add(backup.name, `protected: younger than one hour (${formatDuration(ageMs)})`);
  }
  for (const { name, by } of protections.named) add(name, `protected: named by ${by}`);
  for (const { name, why } of protections.unreadable) add(name, `protected: ${why}`);
}

function verdictOf(name: string, reasons: readonly string[], isForeign: boolean): RetentionVerdict {
  const origin = isForeign ? ['has no proof: another program wrote it'] : [];
  if (reasons.length > 0) return { name, verdict: 'keep', reasons: [...reasons, ...origin] };
  return { name, verdict: 'delete', reasons: ['beyond what `keep` asks for', ...origin] };
}

function unreadableVerdict({ name, why }: { name: string; why: string }): RetentionVerdict {
  return { name, verdict: 'keep', reasons: [`protected: ${why}`] };
}

function isVerified(backup: Backup): boolean {
  return backup.proof !== undefined;
}

function isBeforeChange(backup: Backup): boolean {
  return backup.proof?.reason === 'before-change' && backup.proof.run !== null;
}
