import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';

export interface StallGuardOptions {
  readonly clock: Clock;
  /** Longest wait for one chunk, in milliseconds. */
  readonly timeoutMs: number;
  readonly operation: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Passes a stream on, and ends it with `stream-stalled` when nothing comes for too long, or with the
 * signal's reason. Only the waiting for the source counts, not the time that the consumer takes.
 */
export async function* guardStalls<T>(source: AsyncIterable<T>, options: StallGuardOptions): AsyncGenerator<T> {
  const { clock, timeoutMs, operation, signal } = options;
  const iterator = source[Symbol.asyncIterator]();
  const over = new AbortController();
  let waitingSinceMs: number | undefined;
  let giveUp: (reason: unknown) => void = () => undefined;
  let wake: () => void = () => undefined;
  const onAbort = (): void => giveUp(signal?.reason);
  signal?.addEventListener('abort', onAbort);

  const watch = async (): Promise<void> => {
    // Looks four times per timeout, so a stall is seen after at most a quarter more.
    while (!over.signal.aborted) {
      // Sleeps only while somebody waits, so that a clock that is turned by hand cannot make it spin.
      if (waitingSinceMs === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      await clock.sleep(timeoutMs / 4, over.signal);
      if (waitingSinceMs !== undefined && clock.monotonic() - waitingSinceMs >= timeoutMs) {
        giveUp(stalled(operation, timeoutMs));
      }
    }
  };
  const watching = watch().catch(() => undefined);

  let ended = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      waitingSinceMs = clock.monotonic();
      wake();
      // Not Promise.race with one lasting promise: that would keep a reaction for every chunk.
      const result = await new Promise<IteratorResult<T>>((resolve, reject) => {
        giveUp = reject;
        iterator.next().then(resolve, reject);
      });
      waitingSinceMs = undefined;
      if (result.done === true) {
        ended = true;
        return;
      }
      yield result.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    over.abort();
    wake();
    await watching;
    // A generator that hangs in `next` would hang in `return` too, so it is told but not waited for.
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

function stalled(operation: string, timeoutMs: number): QuorateError {
  return new QuorateError({
    code: 'stream-stalled',
    kind: 'transient',
    operation,
    summary: `nothing came for ${Math.round(timeoutMs / 1000)} s`,
    remedy: 'See whether the member that gives the snapshot answers and its disk is not overloaded.',
  });
}
