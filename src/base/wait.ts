import type { Clock } from './clock.ts';

export interface WaitOptions {
  /** The wait gives up after this many milliseconds. */
  readonly timeoutMs: number;
  /** Pause between two looks, in milliseconds. */
  readonly intervalMs: number;
  readonly signal?: AbortSignal | undefined;
}

export type Waited<T> = { readonly seen: true; readonly value: T } | { readonly seen: false };

/** Looks until `look` gives something other than undefined, or the time is over. Always looks at least once. */
export async function waitUntil<T>(
  clock: Clock,
  options: WaitOptions,
  look: () => Promise<T | undefined>,
): Promise<Waited<T>> {
  const deadline = clock.monotonic() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const value = await look();
    if (value !== undefined) return { seen: true, value };
    if (clock.monotonic() >= deadline) return { seen: false };
    await clock.sleep(options.intervalMs, options.signal);
  }
}
