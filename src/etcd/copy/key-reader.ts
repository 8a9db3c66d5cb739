import { Buffer } from 'node:buffer';
import type { Clock } from '../../base/clock.ts';
import { QuorateError } from '../../base/errors.ts';
import { openEnd } from './connect-keyspace.ts';
import type { KeyPage, KeyRecord, Keyspace, RangeQuery, RevisionSpan } from './keyspace.ts';
import { patiently } from './patience.ts';

/** A range of keys, all of it: what was read from `start` up to, and without, `end`. */
export interface Chunk extends ChunkPlace {
  readonly records: readonly KeyRecord[];
}

export interface ChunkPlace {
  readonly start: Buffer;
  readonly end: Buffer;
  readonly count: number;
}

/** Half of what gRPC takes in one answer (4 MiB), so that keys which grow larger on the way still fit. */
const wantedBytes = 2 * 1024 ** 2;
/** etcd counts all keys behind a page that has no end, so pages of small keys are long. */
const longestPage = 8192;
/** Nobody knows how large the first values are; etcd holds a whole page of them in memory. */
const firstPage = 16;
const growth = 8;
/** What a key costs in an answer beside its bytes. */
const overheadBytes = 48;

/** The keys of one cluster at one revision. */
export class KeyReader {
  readonly revision: number;
  readonly #space: Keyspace;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;

  constructor(space: Keyspace, revision: number, clock: Clock, signal: AbortSignal | undefined) {
    this.#space = space;
    this.revision = revision;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** All keys in the order of their bytes. The next page is under way while one is looked at. */
  async *chunks(): AsyncGenerator<Chunk, void, void> {
    let start: Buffer = openEnd;
    let limit = firstPage;
    let reading = this.#page({ start, end: openEnd, limit });
    for (;;) {
      const { records, more } = await reading;
      const last = records.at(-1);
      const end = more && last !== undefined ? keyAfter(last.key) : openEnd;
      const chunk = { start, end, count: records.length, records };
      if (end === openEnd) {
        yield chunk;
        return;
      }
      start = end;
      limit = nextLimit(records, limit);
      reading = this.#page({ start, end: openEnd, limit });
      // When nobody comes for it, nobody has to hear that it failed.
      reading.catch(() => undefined);
      yield chunk;
    }
  }

  /** One range, in as many answers as it takes. */
  async range(
    place: ChunkPlace,
    filter: { readonly keysOnly?: boolean; readonly created?: RevisionSpan; readonly modified?: RevisionSpan } = {},
  ): Promise<readonly KeyRecord[]> {
    let { start } = place;
    let page = await this.#page({ start, end: place.end, limit: place.count + 1, ...filter });
    let records = page.records;
    // Each answer holds a key at least, or is the last one.
    while (page.more) {
      const last = page.records.at(-1);
      if (last === undefined) break;
      start = keyAfter(last.key);
      page = await this.#page({ start, end: place.end, limit: Math.max(1, page.records.length), ...filter });
      records = [...records, ...page.records];
    }
    return records;
  }

  async #page(query: Omit<RangeQuery, 'revision'>): Promise<KeyPage> {
    let { limit } = query;
    for (;;) {
      try {
        return await patiently(this.#clock, this.#signal, () =>
          this.#space.range({ ...query, limit, revision: this.revision }),
        );
      } catch (error) {
        if (!(error instanceof QuorateError)) throw error;
        if (error.code !== 'answer-too-large') throw this.#explained(error);
        if (limit === 1) throw tooLarge(query.start, error);
        // Ends at one key, after seven rounds at the most.
        limit = Math.max(1, Math.floor(limit / 4));
      }
    }
  }

  #explained(error: QuorateError): QuorateError {
    if (error.code !== 'revision-compacted') return error;
    return new QuorateError({
      code: 'source-compacted',
      kind: 'stalled',
      operation: `read keys at revision ${this.revision}`,
      summary: 'this revision was compacted away before all of it was read, so the rest of that state is gone',
      remedy:
        'Begin again with an empty target. Until the copy is done keep the history longer: raise auto-compaction-retention, or pause whatever compacts (the Kubernetes API server does every five minutes).',
      cause: error,
    });
  }
}

function nextLimit(records: readonly KeyRecord[], limit: number): number {
  let bytes = 0;
  for (const { key, value } of records) bytes += key.length + value.length + overheadBytes;
  const fitting = Math.floor(wantedBytes / (bytes / Math.max(1, records.length)));
  return Math.max(1, Math.min(fitting, limit * growth, longestPage));
}

/** The smallest key behind this one. */
function keyAfter(key: Buffer): Buffer {
  return Buffer.concat([key, openEnd]);
}

function tooLarge(start: Buffer, cause: unknown): QuorateError {
  return new QuorateError({
    code: 'value-too-large',
    kind: 'stalled',
    operation: 'read keys',
    summary: `the value of the first key from ${JSON.stringify(start.toString('latin1'))} is larger than the 4 MiB that one answer may have`,
    remedy: 'Make it smaller or delete it at the source, and begin again.',
    cause,
  });
}
