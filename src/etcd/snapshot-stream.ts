import type { Client, ClientReadableStream, Metadata } from '@grpc/grpc-js';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { etcdError } from './client-errors.ts';
import type { EndpointConnection } from './connection.ts';

export interface SnapshotOptions {
  readonly clock: Clock;
  /** For the connection. */
  readonly timeoutMs: number;
  /** How long etcd may be silent while we are waiting for it. The consumer's own time does not count. */
  readonly idleTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

type SnapshotMethod = (request: object, metadata: Metadata) => ClientReadableStream<SnapshotChunk>;
interface SnapshotChunk {
  readonly blob: Uint8Array;
}

const operation = 'read a snapshot';

/**
 * The raw bytes of a snapshot in chunks of at most some 100 KiB. Nothing is read ahead beyond what
 * gRPC holds for one stream (16 chunks), so a slow consumer slows etcd down instead of filling memory.
 * Leaving the loop early cancels the call.
 */
export async function* snapshotStream(
  connection: EndpointConnection,
  options: SnapshotOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { clock, idleTimeoutMs, signal } = options;
  const stream = await openStream(connection, options);
  const cancel = (): void => stream.cancel();
  const watch = new SilenceWatch(clock, idleTimeoutMs, cancel);
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const chunks: AsyncIterator<SnapshotChunk> = stream[Symbol.asyncIterator]();
    for (;;) {
      const next = await watch.whileWaiting(chunks.next());
      if (next.done === true) return;
      if (next.value.blob.length > 0) yield next.value.blob;
    }
  } catch (error) {
    if (signal?.aborted === true) throw cancelled(connection.url, signal.reason);
    if (watch.hasFired) throw silent(connection.url, idleTimeoutMs, error);
    throw etcdError(error, operation, connection.url);
  } finally {
    watch.stop();
    signal?.removeEventListener('abort', cancel);
    cancel();
  }
}

/** Calls `onSilence` once when a single wait lasts for `limitMs`, or up to a quarter longer. */
class SilenceWatch {
  hasFired = false;
  readonly #clock: Clock;
  readonly #end = new AbortController();
  #waitingSinceMs: number | undefined;

  constructor(clock: Clock, limitMs: number, onSilence: () => void) {
    this.#clock = clock;
    // Rejects only when it is stopped.
    this.#run(limitMs, onSilence).catch(() => undefined);
  }

  async whileWaiting<T>(wait: Promise<T>): Promise<T> {
    this.#waitingSinceMs = this.#clock.monotonic();
    try {
      return await wait;
    } finally {
      this.#waitingSinceMs = undefined;
    }
  }

  stop(): void {
    this.#end.abort();
  }

  /** One timer for the whole stream: one for each chunk would cost more than the chunk. */
  async #run(limitMs: number, onSilence: () => void): Promise<void> {
    while (!this.hasFired) {
      await this.#clock.sleep(limitMs / 4, this.#end.signal);
      const waitedMs = this.#waitingSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#waitingSinceMs;
      this.hasFired = waitedMs >= limitMs;
    }
    onSilence();
  }
}

async function openStream(
  connection: EndpointConnection,
  { timeoutMs, signal }: SnapshotOptions,
): Promise<ClientReadableStream<SnapshotChunk>> {
  if (signal?.aborted === true) throw cancelled(connection.url, signal.reason);
  return connection.callable(timeoutMs, timeoutMs).withConnection('Maintenance', ({ resource, client, metadata }) => {
    const stream = startSnapshot(client, metadata);
    // Also keeps a failure after the last read from being an unhandled 'error' event.
    stream.on('error', (error) => connection.callable(timeoutMs, timeoutMs).markFailed(resource, error));
    return stream;
  });
}

function startSnapshot(client: Client, metadata: Metadata): ClientReadableStream<SnapshotChunk> {
  const snapshot: unknown = Reflect.get(client, 'snapshot');
  if (!isSnapshotMethod(snapshot)) throw new TypeError('etcd3 has no method snapshot');
  return snapshot.call(client, {}, metadata);
}

function isSnapshotMethod(value: unknown): value is SnapshotMethod {
  return typeof value === 'function';
}

function silent(url: string, idleTimeoutMs: number, cause: unknown): QuorateError {
  const summary = `${url} sent nothing for ${idleTimeoutMs} ms in the middle of a snapshot`;
  return new QuorateError({ code: 'etcd-timeout', kind: 'transient', operation, summary, cause });
}

function cancelled(url: string, cause: unknown): QuorateError {
  const summary = `the snapshot from ${url} was cancelled`;
  return new QuorateError({ code: 'etcd-cancelled', kind: 'transient', operation, summary, cause });
}
