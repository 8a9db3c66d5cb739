import type { Clock } from '../../base/clock.ts';
import { asQuorateError, type QuorateError } from '../../base/errors.ts';

/** An election, a restart or a cable that is plugged in again; longer trouble is for a person. */
const patienceMs = 30_000;
const pauseMs = 100;

const passing = new Set([
  'etcd-unreachable',
  'etcd-timeout',
  'etcd-no-leader',
  'etcd-leader-changed',
  'etcd-stopping',
  'etcd-busy',
]);

export function isPassing(error: QuorateError): boolean {
  return passing.has(error.code);
}

/** Asks again while the trouble is of a kind that passes, for half a minute. Only for what may be done twice. */
export async function patiently<T>(clock: Clock, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      const failure = asQuorateError(error, { code: 'etcd-error', kind: 'transient', operation: 'ask etcd' });
      if (!isPassing(failure) || clock.monotonic() >= deadline) throw failure;
      await clock.sleep(pauseMs, signal);
    }
  }
}
