import { Buffer } from 'node:buffer';
import type { Clock } from '../../base/clock.ts';
import { batches } from './batches.ts';
import { type Comparison, compareCopies } from './compare.ts';
import { type CopiedLeases, copyLeases } from './copy-leases.ts';
import { creationOf, touchOf, type Write, WriteWeights, WriteWindow } from './history.ts';
import { type ChunkPlace, KeyReader } from './key-reader.ts';
import { KeyWriter } from './key-writer.ts';
import { patiently } from './patience.ts';
import { checkBeforeCopy, type Preflight, type PreflightOptions } from './preflight.ts';
import { findResumePoint, type ResumePoint } from './resume-point.ts';

export interface CopyOptions extends PreflightOptions {
  /** Puts in one transaction of the target; not above its `max-txn-ops`. 128 by default, as there. */
  readonly maxTxnOps?: number | undefined;
  /** For keys and values that are on their way, 256 MiB by default. What does not fit is read again. */
  readonly memoryBytes?: number | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when nothing speaks against the copy and nothing was written yet. */
  readonly onBegin?: ((found: Preflight) => void) | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
}

export interface CopyProgress {
  readonly phase: 'reading' | 'writing' | 'comparing';
  readonly keys: number;
  readonly totalKeys: number;
}

export interface CopyResult extends Comparison {
  /** Of the source: the state that was copied. */
  readonly revision: number;
  /** Of the target, with all of it. */
  readonly targetRevision: number;
  readonly leases: CopiedLeases;
  readonly leftAccounts: readonly string[];
  readonly tookMs: number;
}

const defaultTxnOps = 128;
const defaultMemoryBytes = 256 * 1024 ** 2;
/** A request may have 1.5 MiB by default; a larger value goes alone. */
const txnBytes = 1024 ** 2;
/**
 * Transactions under way: while one waits for the disk, the next is made and sent. More of them overtake each other so
 * often that sending them again costs what was won.
 */
const depth = 2;

/**
 * Copies all keys of one cluster at one revision into another that is empty, with their leases, in the order in which
 * they were created and last written, and compares both sides at the end. Revisions start anew in the target.
 *
 * It may be broken off at any point; what is in the target then is not a copy until `continues` has made it one.
 */
export async function copyKeys(options: CopyOptions): Promise<CopyResult> {
  const startedMs = options.clock.monotonic();
  const found = await checkBeforeCopy(options);
  options.onBegin?.(found);
  const copy = new Copy(options, found);
  const resume = options.continues ? await copy.resumePoint() : undefined;
  // Once keys were written all leases had been granted: one that is not there has run out.
  const leases = resume !== undefined && resume.revision > 0 ? { granted: 0, gone: 0 } : await copy.leases();
  await copy.write(resume);
  const compared = await copy.compare();
  const tookMs = options.clock.monotonic() - startedMs;
  return { ...compared, revision: found.revision, leases, leftAccounts: found.leftAccounts, tookMs };
}

class Copy {
  readonly #options: CopyOptions;
  readonly #found: Preflight;
  readonly #source: KeyReader;
  readonly #memoryBytes: number;
  /** Where the pages of the source began and ended. */
  readonly #places: ChunkPlace[] = [];
  #totalKeys: number;
  #created = 0;

  constructor(options: CopyOptions, found: Preflight) {
    this.#options = options;
    this.#found = found;
    this.#source = new KeyReader(options.from.keys, found.revision, options.clock, options.signal);
    this.#memoryBytes = options.memoryBytes ?? defaultMemoryBytes;
    this.#totalKeys = found.source.keyCount;
  }

  resumePoint(): Promise<ResumePoint> {
    return findResumePoint(this.#source, this.#targetAt(this.#found.target.revision));
  }

  leases(): Promise<CopiedLeases> {
    const { from, to, clock, signal } = this.#options;
    return copyLeases(from.keys, to.keys, { clock, signal });
  }

  /** Reads everything once, keeps as many of the first writes as fit, and comes back for the rest. */
  async write(resume: ResumePoint | undefined): Promise<void> {
    const { revision } = this.#found;
    const weights = new WriteWeights(revision);
    let window = new WriteWindow({ first: resume?.revision ?? 1, last: revision }, this.#memoryBytes);
    const isWanted = (write: Write): boolean => resume?.isDone(write) !== true;
    let keys = 0;
    for await (const { start, end, count, records } of this.#source.chunks()) {
      // A copy of the first key: it is a view into the page that it came with.
      this.#places.push({ start: Buffer.from(start), end: Buffer.from(end), count });
      for (const record of records) {
        for (const write of [creationOf(record), touchOf(record)]) {
          if (write === undefined || !isWanted(write)) continue;
          weights.add(write);
          window.add(write);
        }
      }
      keys += count;
      this.#progress('reading', keys);
    }
    this.#totalKeys = keys;
    for (;;) {
      await this.#writeAll(window.take());
      const span = weights.spanFrom(window.last + 1, this.#memoryBytes / 2);
      if (span === undefined) return;
      window = new WriteWindow(span, this.#memoryBytes);
      await this.#fill(window);
    }
  }

  async compare(): Promise<Comparison & { readonly targetRevision: number }> {
    const { to, clock, signal } = this.#options;
    const { revision } = await patiently(clock, signal, () => to.keys.head());
    const leases = new Set(await patiently(clock, signal, () => to.keys.leases()));
    let keys = 0;
    const compared = await compareCopies(this.#source, this.#targetAt(revision), this.#places, leases, (more) => {
      keys += more;
      this.#progress('comparing', keys);
    });
    return { ...compared, targetRevision: revision };
  }

  /** Lets etcd look for what was created or last written in the span of the window. */
  async #fill(window: WriteWindow): Promise<void> {
    const span = { first: window.first, last: window.last };
    for (const place of this.#places) {
      const [created, modified] = await Promise.all([
        this.#source.range(place, { created: span }),
        this.#source.range(place, { modified: span, keysOnly: true }),
      ]);
      for (const record of created) window.add(creationOf(record));
      for (const record of modified) {
        const touch = touchOf(record);
        if (touch !== undefined) window.add(touch);
      }
    }
  }

  async #writeAll(sorted: readonly Write[]): Promise<void> {
    const { to, clock, signal, maxTxnOps = defaultTxnOps } = this.#options;
    const onWritten = (batch: readonly Write[]): void => {
      for (const { value } of batch) if (value !== undefined) this.#created += 1;
      this.#progress('writing', this.#created);
    };
    const writer = new KeyWriter({ space: to.keys, clock, signal, depth, onWritten });
    await writer.write(batches(sorted, { writes: maxTxnOps, bytes: txnBytes }));
  }

  #targetAt(revision: number): KeyReader {
    return new KeyReader(this.#options.to.keys, revision, this.#options.clock, this.#options.signal);
  }

  #progress(phase: CopyProgress['phase'], keys: number): void {
    this.#options.onProgress?.({ phase, keys, totalKeys: this.#totalKeys });
  }
}
