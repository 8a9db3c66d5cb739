import { asQuorateError, type QuorateError } from '../base/errors.ts';

/** Something that is sent, watched for as long as it moves. */
export interface Progress {
  readonly source: AsyncIterable<Uint8Array>;
  /** Aborts when nothing was taken for too long, or when the end was not answered in time. */
  readonly signal: AbortSignal;
  /** The limit that holds now, milliseconds. */
  readonly limitMs: number;
  /** Why the source itself ended too early. */
  readonly failure: QuorateError | undefined;
  /** Stops the watching. */
  end(): void;
}

/**
 * Bounds silence instead of the whole, which grows with a database.
 * @param endMs from the last byte on
 */
export function watched(
  { source, idleMs }: { readonly source: AsyncIterable<Uint8Array>; readonly idleMs: number },
  endMs: number,
): Progress {
  const stalled = new AbortController();
  let limitMs = idleMs;
  let failure: QuorateError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const moved = (nextMs: number): void => {
    clearTimeout(timer);
    if (isOver) return;
    limitMs = nextMs;
    timer = setTimeout(() => stalled.abort(), nextMs);
  };
  moved(idleMs);

  async function* passing(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        moved(idleMs);
        yield chunk;
      }
      moved(endMs);
    } catch (error) {
      failure = asQuorateError(error, {
        code: 'snapshot-unreadable',
        kind: 'transient',
        operation: 'read the archive of a backup',
      });
      throw failure;
    }
  }

  return {
    source: passing(),
    signal: stalled.signal,
    get limitMs() {
      return limitMs;
    },
    get failure() {
      return failure;
    },
    end: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
