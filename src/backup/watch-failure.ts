export interface WatchedStream {
  readonly content: AsyncIterable<Uint8Array>;
  /** What the stream itself failed with; undefined as long as it has not. */
  failure(): { readonly reason: unknown } | undefined;
}

/** Passes a stream on and remembers when it failed by itself, so that the store is not blamed for it. */
export function watchFailure(source: AsyncIterable<Uint8Array>): WatchedStream {
  let failure: { readonly reason: unknown } | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (reason) {
      failure = { reason };
      throw reason;
    }
  }
  return { content: watched(), failure: () => failure };
}
