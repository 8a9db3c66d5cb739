import { Pool } from 'undici';
import type { Clock } from '../../base/clock.ts';
import { describeError, QuorateError } from '../../base/errors.ts';
import type { ClientCredentials } from '../../tls/keystore.ts';

export interface KeyWriterOptions {
  /** `https://…` of every member that is or may come to be. */
  readonly endpoints: readonly string[];
  readonly credentials: ClientCredentials;
  readonly clock: Clock;
}

const everyMs = 20;
/** An endpoint that hangs is given up after this long; etcd elects a leader in one to two seconds. */
const requestTimeoutMs = 1000;
/** When no endpoint of all took the write; the next round follows after it. */
const roundPauseMs = 10;
/** No cluster of the demo is away for that long. */
const stuckAfterMs = 60_000;
const pageSize = 1000;
const prefix = 'demo/';

/**
 * A client that knows nothing of Quorate: writes a key every 20 ms through etcd's HTTP gateway with mutual
 * TLS, goes on with the next endpoint at once when one fails, and remembers what was acknowledged.
 */
export class KeyWriter {
  readonly #options: KeyWriterOptions;
  readonly #pools: readonly Pool[];
  readonly #stopping = new AbortController();
  #at = 0;
  #acknowledged = 0;
  #lastAckMs: number;
  #longestGapMs = 0;
  #running: Promise<void> | undefined;

  constructor(options: KeyWriterOptions) {
    const { ca, certificate, key } = options.credentials;
    this.#options = options;
    this.#lastAckMs = options.clock.monotonic();
    this.#pools = options.endpoints.map(
      (url) =>
        new Pool(url, {
          connections: 1,
          connect: { ca, cert: certificate, key, timeout: requestTimeoutMs },
          headersTimeout: requestTimeoutMs,
          bodyTimeout: requestTimeoutMs,
        }),
    );
  }

  /** Keys `demo/0` to one below this are in etcd, as etcd said. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  start(): void {
    this.#lastAckMs = this.#options.clock.monotonic();
    this.#running = this.#run();
    // Told to whoever stops the writer; until then it is nobody's.
    this.#running.catch(() => undefined);
  }

  /** Longest time between two acknowledged writes since this was last asked, the open one included; milliseconds. */
  takeLongestGapMs(): number {
    const gap = Math.max(this.#longestGapMs, this.#options.clock.monotonic() - this.#lastAckMs);
    this.#longestGapMs = 0;
    return gap;
  }

  /** Reads every acknowledged key back. Throws `keys-lost` with the first that is missing or has another value. */
  async readBack(signal: AbortSignal): Promise<number> {
    const found = new Map<string, string>();
    let from = prefix;
    // One page more than there can be keys is never needed.
    for (let page = 0; page <= this.#acknowledged / pageSize + 1; page++) {
      const answer = await this.#anywhere(
        '/v3/kv/range',
        { key: base64(from), range_end: base64('demo0'), limit: pageSize },
        signal,
      );
      const pairs = pairsOf(answer);
      for (const [key, value] of pairs) found.set(key, value);
      const last = pairs.at(-1);
      if (last === undefined || pairs.length < pageSize) break;
      from = `${last[0]}\0`;
    }
    for (let number = 0; number < this.#acknowledged; number++) {
      if (found.get(keyOf(number)) === valueOf(number)) continue;
      throw new QuorateError({
        code: 'keys-lost',
        kind: 'stalled',
        operation: 'read every acknowledged key back',
        summary: `${keyOf(number)} was acknowledged with ${valueOf(number)} and is now ${found.get(keyOf(number)) ?? 'missing'}`,
      });
    }
    return this.#acknowledged;
  }

  /** No more writes; `readBack` still works. Throws what ended the writer by itself. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stopping;
    try {
      while (!signal.aborted) {
        const startedMs = clock.monotonic();
        const number = this.#acknowledged;
        await this.#anywhere('/v3/kv/put', { key: base64(keyOf(number)), value: base64(valueOf(number)) }, signal);
        const nowMs = clock.monotonic();
        this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAckMs);
        this.#lastAckMs = nowMs;
        this.#acknowledged++;
        await clock.sleep(Math.max(0, startedMs + everyMs - nowMs), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Asks one endpoint after the other until one answers. The same write twice does no harm. */
  async #anywhere(path: string, body: object, signal: AbortSignal): Promise<unknown> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonic() + stuckAfterMs;
    for (let turn = 1; ; turn++) {
      signal.throwIfAborted();
      const pool = this.#pools[this.#at % this.#pools.length];
      try {
        if (pool !== undefined) return await post(pool, path, body, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (clock.monotonic() > deadlineMs) throw unreachable(path, error);
      }
      this.#at++;
      if (turn % this.#pools.length === 0) await clock.sleep(roundPauseMs, signal);
    }
  }
}

async function post(pool: Pool, path: string, body: object, signal: AbortSignal): Promise<unknown> {
  const response = await pool.request({
    method: 'POST',
    path,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    signal,
  });
  const answer: unknown = await response.body.json();
  if (response.statusCode === 200) return answer;
  throw new Error(`${path} answered ${response.statusCode}: ${JSON.stringify(answer).slice(0, 200)}`);
}

/** `{ kvs: [{ key, value }] }`, both in base64; without `kvs` when there is none. */
function pairsOf(answer: unknown): readonly (readonly [string, string])[] {
  if (typeof answer !== 'object' || answer === null || !('kvs' in answer) || !Array.isArray(answer.kvs)) return [];
  return answer.kvs.flatMap((pair: unknown) => {
    if (typeof pair !== 'object' || pair === null || !('key' in pair) || !('value' in pair)) return [];
    return [[fromBase64(String(pair.key)), fromBase64(String(pair.value))] as const];
  });
}

function keyOf(number: number): string {
  return `${prefix}${String(number).padStart(8, '0')}`;
}

function valueOf(number: number): string {
  return `value ${number}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString();
}

function unreachable(path: string, cause: unknown): QuorateError {
  return new QuorateError({
    code: 'writer-stuck',
    kind: 'stalled',
    operation: `ask etcd for ${path}`,
    summary: `no member has answered for long: ${describeError(cause)}`,
    cause,
  });
}
