import { createHash } from 'node:crypto';
import type { Backup, DrillResult } from './store.ts';

export type DrillCadence = 'daily' | 'weekly';

export interface DrillScheduleInput {
  readonly cadence: DrillCadence;
  readonly cluster: string;
  /** The last drill in the store. */
  readonly last: DrillResult | undefined;
  /** The backup that would be drilled. */
  readonly newest: Pick<Backup, 'name' | 'takenAtMs'>;
  readonly nowMs: number;
}

const dayMs = 86_400_000;
const periodsMs: Readonly<Record<DrillCadence, number>> = { daily: dayMs, weekly: 7 * dayMs };
/** After a failure, a newer backup is drilled no sooner. */
const afterFailureMs = 3_600_000;
const afterImpossibleMs = 6 * 3_600_000;

/**
 * When the next drill is due, in milliseconds since the epoch; the past when it is due now. One in each day or
 * week, at an hour of its own for each cluster, so that many do not drill at once. The first one comes at once. A
 * failed one is followed by one of the first newer backup, after an hour; one that was impossible is tried again
 * after six. It is decided by what the store says alone.
 */
export function nextDrillAtMs({ cadence, cluster, last, newest, nowMs }: DrillScheduleInput): number {
  const periodMs = periodsMs[cadence];
  // A result from the future says that a clock was wrong, and must not put drills off for years.
  if (last === undefined || last.startedAtMs > nowMs + dayMs) return nowMs;
  const offsetMs = createHash('sha256').update(`drill ${cluster}`).digest().readUInt32BE(0) % periodMs;
  const slotMs = Math.floor((last.startedAtMs - offsetMs) / periodMs) * periodMs + offsetMs;
  const regularMs = slotMs + periodMs;
  if (last.outcome === 'impossible') return Math.min(regularMs, last.endedAtMs + afterImpossibleMs);
  const isReplaced = newest.name !== last.backup && newest.takenAtMs > last.startedAtMs;
  if (last.outcome === 'failed' && isReplaced) return Math.min(regularMs, last.endedAtMs + afterFailureMs);
  return regularMs;
}
