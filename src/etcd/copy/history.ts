import { Buffer } from 'node:buffer';
import type { KeyRecord, Put, RevisionSpan } from './keyspace.ts';

/**
 * One write that has to be repeated so that keys stand in the same order as before, whether one sorts by the
 * revision of their creation or of their last write: each key is put where it was created, and, when it was written
 * later as well, touched there.
 */
export interface Write extends Put {
  /** Of the source. */
  readonly revision: number;
  /** It was created here and written again later. */
  readonly isTouchedLater: boolean;
}

/** What a write costs in memory beside its bytes: three objects and a place in a list. */
const overheadBytes = 320;

/** The writes of a span of revisions, as many of the first of them as fit into memory. */
export class WriteWindow {
  readonly first: number;
  /** The last revision of which this holds all writes; comes down when memory runs out. */
  last: number;
  readonly #budgetBytes: number;
  #writes: Write[] = [];
  #bytes = 0;

  constructor({ first, last }: RevisionSpan, budgetBytes: number) {
    this.first = first;
    this.last = last;
    this.#budgetBytes = budgetBytes;
  }

  add(write: Write): void {
    if (write.revision < this.first || write.revision > this.last) return;
    this.#writes.push(write);
    this.#bytes += costOf(write);
    if (this.#bytes > this.#budgetBytes) this.#cut();
  }

  /** In the order of revisions; empties the window. */
  take(): readonly Write[] {
    const taken = this.#writes.sort(byRevision);
    this.#writes = [];
    this.#bytes = 0;
    return taken;
  }

  /** Keeps the earlier half. What was written in one transaction stays together, whatever it weighs. */
  #cut(): void {
    const sorted = this.take();
    const firstRevision = sorted[0]?.revision ?? 0;
    let bytes = 0;
    const index = sorted.findIndex((write) => {
      bytes += costOf(write);
      return bytes > this.#budgetBytes / 2 && write.revision > firstRevision;
    });
    const cut = index === -1 ? undefined : sorted[index]?.revision;
    if (cut !== undefined) this.last = cut - 1;
    // Copies, because a key is a view into the page that it came with, and would hold all of that.
    this.#writes = sorted.filter(({ revision }) => revision <= this.last).map(detached);
    for (const write of this.#writes) this.#bytes += costOf(write);
  }
}

/** The write that created a key. */
export function creationOf(record: KeyRecord): Write {
  const { key, value, lease, createRevision, modRevision } = record;
  return { revision: createRevision, key, value, lease, isTouchedLater: modRevision !== createRevision };
}

/** The last write of a key, when it was written after its creation. */
export function touchOf({ key, lease, createRevision, modRevision }: KeyRecord): Write | undefined {
  if (modRevision === createRevision) return undefined;
  return { revision: modRevision, key, value: undefined, lease, isTouchedLater: false };
}

function byRevision(a: Write, b: Write): number {
  return a.revision - b.revision;
}

function costOf({ key, value }: Put): number {
  return key.length + (value?.length ?? 0) + overheadBytes;
}

function detached(write: Write): Write {
  return {
    ...write,
    key: Buffer.from(write.key),
    value: write.value === undefined ? undefined : Buffer.from(write.value),
  };
}

const buckets = 4096;

/** How many bytes were written at which revisions, roughly, to choose spans that fit into memory. */
export class WriteWeights {
  readonly #last: number;
  readonly #bytes = new Float64Array(buckets);

  constructor(last: number) {
    this.#last = last;
  }

  add(write: Write): void {
    const bucket = this.#bucketOf(write.revision);
    this.#bytes[bucket] = (this.#bytes[bucket] ?? 0) + costOf(write);
  }

  /** The longest span from `first` on that seems to fit, one bucket at the least; undefined behind the end. */
  spanFrom(first: number, budgetBytes: number): RevisionSpan | undefined {
    if (first > this.#last) return undefined;
    let bucket = this.#bucketOf(first);
    let bytes = this.#bytes[bucket] ?? 0;
    while (bucket + 1 < buckets) {
      bytes += this.#bytes[bucket + 1] ?? 0;
      if (bytes > budgetBytes) break;
      bucket += 1;
    }
    const last = bucket + 1 === buckets ? this.#last : Math.floor(((bucket + 1) * (this.#last + 1)) / buckets);
    return { first, last: Math.min(this.#last, Math.max(first, last)) };
  }

  #bucketOf(revision: number): number {
    return Math.min(buckets - 1, Math.floor((revision * buckets) / (this.#last + 1)));
  }
}
