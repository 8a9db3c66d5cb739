import { QuorateError } from '../base/errors.ts';
import { waitUntil } from '../base/wait.ts';
import type { StepContext } from './step-module.ts';

/**
 * etcd refuses a membership change until all members have been connected for five seconds
 * (strict-reconfig-check); after a restart that is a matter of waiting. Bounded by 30 s.
 */
export async function retryReconfiguration<T>(context: StepContext, change: () => Promise<T>): Promise<T> {
  let last: unknown;
  const waited = await waitUntil(
    context.sight.clock,
    { timeoutMs: 30_000, intervalMs: 250, signal: context.signal },
    async () => {
      try {
        return { value: await change() };
      } catch (error) {
        if (!(error instanceof QuorateError) || error.code !== 'unhealthy-cluster') throw error;
        last = error;
        return undefined;
      }
    },
  );
  if (waited.seen) return waited.value.value;
  throw last;
}
