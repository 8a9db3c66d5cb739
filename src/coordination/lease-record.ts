import { formatTime } from '../base/clock.ts';
import { readFileIfExists, replaceFile } from '../base/files.ts';

/** `lease.json`: who took the state folder last. It tells people and carries the epoch; the lock decides. */
export interface LeaseRecord {
  readonly pid: number;
  readonly host: string;
  readonly purpose: string;
  /** Milliseconds since the Unix epoch. */
  readonly acquiredAtMs: number;
  /** Highest fencing epoch given out so far. */
  readonly epoch: number;
}

export async function writeLeaseRecord(path: string, record: LeaseRecord): Promise<void> {
  await replaceFile(path, `${JSON.stringify(record)}\n`);
}

/** Undefined when there is none or it cannot be understood; the wall clock then keeps epochs growing. */
export async function readLeaseRecord(path: string): Promise<LeaseRecord | undefined> {
  const text = await readFileIfExists(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isLeaseRecord(value) ? value : undefined;
}

/** `process 4711 on host-a (controller) since 2026-11-20T15:29:48Z` */
export function describeHolder(record: LeaseRecord | undefined): string {
  if (record === undefined) return 'a process that has not told its name yet';
  const { pid, host, purpose, acquiredAtMs } = record;
  return `process ${pid} on ${host} (${purpose}) since ${formatTime(acquiredAtMs)}`;
}

function isLeaseRecord(value: unknown): value is LeaseRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Partial<Record<keyof LeaseRecord, unknown>>;
  return (
    Number.isSafeInteger(fields.pid) &&
    isShortText(fields.host) &&
    isShortText(fields.purpose) &&
    Number.isSafeInteger(fields.epoch) &&
    // The range of dates that can be written as text.
    Number.isSafeInteger(fields.acquiredAtMs) &&
    Math.abs(Number(fields.acquiredAtMs)) <= 8.64e15
  );
}

function isShortText(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 300 && !/\p{Cc}/u.test(value);
}
