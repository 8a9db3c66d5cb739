import { systemClock } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { Gateway } from './gateway.ts';

/** Wall clock, milliseconds since the epoch, so that it can be compared with log lines. */
export interface Serving {
  /** The first write that was acknowledged through any member. */
  readonly firstWriteAtMs: number;
  /** A write was acknowledged through every single member. */
  readonly allWroteAtMs: number;
  /** Every member says of itself that it is healthy. */
  readonly allHealthyAtMs: number;
}

const pollMs = 10;
/** Longer than an election takes, so that a write that waits for a leader is not given up. */
const requestTimeoutMs = 3000;

/** Knocks at every member every 10 ms until all of them serve. */
export async function waitUntilServing(
  endpoints: readonly string[],
  credentials: ClientCredentials,
  timeoutMs = 120_000,
): Promise<Serving> {
  const members = await Promise.all(endpoints.map((url) => watchMember(url, credentials, timeoutMs)));
  return {
    firstWriteAtMs: Math.min(...members.map((member) => member.wroteAtMs)),
    allWroteAtMs: Math.max(...members.map((member) => member.wroteAtMs)),
    allHealthyAtMs: Math.max(...members.map((member) => member.healthyAtMs)),
  };
}

async function watchMember(
  url: string,
  credentials: ClientCredentials,
  timeoutMs: number,
): Promise<{ readonly wroteAtMs: number; readonly healthyAtMs: number }> {
  const [writer, doctor] = [1, 2].map(() => new Gateway(url, credentials, requestTimeoutMs));
  try {
    const [wroteAtMs, healthyAtMs] = await Promise.all([
      until(`a write through ${url}`, timeoutMs, async () => writer?.put('bench/first', url)),
      until(`${url} to be healthy`, timeoutMs, async () => doctor?.health()),
    ]);
    return { wroteAtMs, healthyAtMs };
  } finally {
    await Promise.all([writer?.close(), doctor?.close()]);
  }
}

/** When `attempt` first succeeded. */
export async function until(what: string, timeoutMs: number, attempt: () => Promise<unknown>): Promise<number> {
  let complaint: unknown;
  const waited = await waitUntil(systemClock, { timeoutMs, intervalMs: pollMs }, async () => {
    try {
      await attempt();
      return Date.now();
    } catch (error) {
      complaint = error;
      return undefined;
    }
  });
  if (waited.seen) return waited.value;
  throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}: ${describeError(complaint)}`, {
    cause: complaint,
  });
}
