import { createHash } from 'node:crypto';
import { Cron } from 'croner';

/** When something is due again and again. A cron expression has five fields and is in UTC. */
export type Schedule =
  | { readonly type: 'interval'; readonly everyMs: number }
  | { readonly type: 'cron'; readonly expression: string };

/** Cron times are met at most so much later; a tenth of the gap to the next one where that is less. */
const longestCronDelayMs = 600_000;

/**
 * When it is due after it was done at `lastMs`: milliseconds since the epoch, `Infinity` for never. Many things with
 * one schedule are spread by their names: an interval is a tenth shorter or longer at most, a time of a cron
 * expression comes later by a tenth of its gap at most. The same name and time always give the same answer.
 */
export function dueAfter(schedule: Schedule, lastMs: number, name: string): number {
  if (schedule.type === 'interval') {
    const { everyMs } = schedule;
    const spread = (2 * fractionOf(`${name} ${Math.floor(lastMs / everyMs)}`) - 1) / 10;
    return lastMs + Math.round(everyMs * (1 + spread));
  }
  const dueMs = cronTimeAfter(schedule.expression, lastMs);
  if (dueMs === Number.POSITIVE_INFINITY) return dueMs;
  const gapMs = cronTimeAfter(schedule.expression, dueMs) - dueMs;
  return dueMs + Math.floor(fractionOf(`${name} ${dueMs}`) * Math.min(gapMs / 10, longestCronDelayMs));
}

/** From when on it has been missed: after two intervals, or at the second time of the cron expression. */
export function overdueAfter(schedule: Schedule, lastMs: number): number {
  if (schedule.type === 'interval') return lastMs + 2 * schedule.everyMs;
  const { expression } = schedule;
  const first = cronTimeAfter(expression, lastMs);
  return first === Number.POSITIVE_INFINITY ? first : cronTimeAfter(expression, first);
}

function cronTimeAfter(expression: string, ms: number): number {
  const next = new Cron(expression, { timezone: 'UTC', paused: true }).nextRun(new Date(ms));
  return next?.getTime() ?? Number.POSITIVE_INFINITY;
}

/** From 0 up to, not including, 1. */
function fractionOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;
}
