import { systemClock } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { waitUntil } from '../../../src/base/wait.ts';

/** Repeats a check until it does not throw; after `timeoutMs` its last complaint is the error. */
export async function eventually<T>(what: string, timeoutMs: number, check: () => Promise<T> | T): Promise<T> {
  let complaint: unknown;
  const waited = await waitUntil(systemClock, { timeoutMs, intervalMs: 50 }, async () => {
    try {
      return { value: await check() };
    } catch (error) {
      complaint = error;
      return undefined;
    }
  });
  if (waited.seen) return waited.value.value;
  throw new Error(`${what}: not within ${timeoutMs} ms: ${describeError(complaint)}`, { cause: complaint });
}
