export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A process that has run this long counts as well again, and the next delay is the first one. */
  readonly resetAfterMs: number;
}

export const crashBackoff: BackoffOptions = { firstMs: 1000, maxMs: 60_000, resetAfterMs: 60_000 };

/** Delays between restarts of something that keeps failing: doubling, bounded. */
export class Backoff {
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  /** Delay before the next restart, after a run (or a failed try, 0) of `uptimeMs`. */
  next(uptimeMs: number): number {
    if (uptimeMs >= this.#options.resetAfterMs) this.reset();
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(delayMs * 2, this.#options.maxMs);
    return delayMs;
  }

  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}
