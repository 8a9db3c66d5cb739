import { systemClock } from '../../../src/base/clock.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { Gateway } from './gateway.ts';

export interface Gap {
  /** Wall clock of the acknowledgements before and after it, milliseconds since the epoch. */
  readonly fromMs: number;
  readonly toMs: number;
}

const everyMs = 5;
const requestTimeoutMs = 2000;

/** A client under load: a write every 5 ms on one connection, the next endpoint at once when one fails. */
export class LoadWriter {
  readonly #members: readonly Gateway[];
  readonly #stopping = new AbortController();
  #acknowledgedAtMs: number[] = [];
  #running: Promise<void> | undefined;

  constructor(endpoints: readonly string[], credentials: ClientCredentials) {
    this.#members = endpoints.map((url) => new Gateway(url, credentials, requestTimeoutMs));
  }

  get acknowledged(): number {
    return this.#acknowledgedAtMs.length;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The longest time without an acknowledgement that touches the given span. */
  longestGap(fromMs: number, toMs: number): Gap {
    let longest: Gap = { fromMs, toMs: fromMs };
    for (const [index, at] of this.#acknowledgedAtMs.entries()) {
      const next = this.#acknowledgedAtMs[index + 1] ?? toMs;
      if (next <= fromMs || at >= toMs) continue;
      if (next - at > longest.toMs - longest.fromMs) longest = { fromMs: at, toMs: next };
    }
    return longest;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await Promise.all(this.#members.map((member) => member.close()));
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let turn = 0; !signal.aborted; ) {
      const startedMs = performance.now();
      const member = this.#members[turn % this.#members.length];
      try {
        await member?.put(`bench/load/${this.acknowledged % 1000}`, String(this.acknowledged), signal);
        // Fractions of a millisecond, on the wall clock.
        this.#acknowledgedAtMs.push(performance.timeOrigin + performance.now());
      } catch {
        turn += 1;
        continue;
      }
      const pauseMs = startedMs + everyMs - performance.now();
      if (pauseMs > 0) await systemClock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }
}
