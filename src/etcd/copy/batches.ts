import type { Write } from './history.ts';

export interface BatchLimits {
  /** Not above `max-txn-ops` of the target, 128 by default. */
  readonly writes: number;
  readonly bytes: number;
}

/** What one put takes in a request beside its key and value. */
const overheadBytes = 32;

/**
 * Sorted writes in transactions. What was written in one transaction of the source is in one again when it fits. A key
 * may stand in a transaction once: created and touched in the same one, it is created only, which leaves the order
 * between transactions as it was.
 */
export function* batches(sorted: readonly Write[], limits: BatchLimits): Generator<readonly Write[], void, void> {
  let batch: Write[] = [];
  let bytes = 0;
  let created = new Set<string>();
  for (let next = 0; next < sorted.length; ) {
    const behind = endOfGroup(sorted, next);
    let groupBytes = 0;
    for (let at = next; at < behind; at++) groupBytes += sizeOf(sorted[at]);
    const fits = batch.length + behind - next <= limits.writes && bytes + groupBytes <= limits.bytes;
    for (let first = true; next < behind; next++, first = false) {
      const write = sorted[next];
      if (write === undefined) return;
      const size = sizeOf(write);
      const isFull = batch.length >= limits.writes || bytes + size > limits.bytes;
      if (batch.length > 0 && (isFull || (first && !fits))) {
        yield batch;
        batch = [];
        bytes = 0;
        created = new Set();
      }
      if (write.value === undefined && created.has(write.key.toString('latin1'))) continue;
      if (write.isTouchedLater) created.add(write.key.toString('latin1'));
      batch.push(write);
      bytes += size;
    }
  }
  if (batch.length > 0) yield batch;
}

/** The first index with another revision. */
function endOfGroup(sorted: readonly Write[], start: number): number {
  const revision = sorted[start]?.revision;
  let end = start + 1;
  while (end < sorted.length && sorted[end]?.revision === revision) end += 1;
  return end;
}

function sizeOf(write: Write | undefined): number {
  return write === undefined ? 0 : write.key.length + (write.value?.length ?? 0) + overheadBytes;
}
