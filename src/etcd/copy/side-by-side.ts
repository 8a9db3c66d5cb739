import type { Chunk, KeyReader } from './key-reader.ts';
import type { KeyRecord } from './keyspace.ts';

/** Called for each key in the order of their bytes; a side is undefined where the key is not there. */
export type Visit = (source: KeyRecord | undefined, target: KeyRecord | undefined) => void;

/** Walks two clusters key by key. `chunks` are of the source and cover everything from the first key to the last. */
export async function sideBySide(chunks: AsyncIterable<Chunk>, target: KeyReader, visit: Visit): Promise<void> {
  for await (const chunk of chunks) merge(chunk.records, await target.range(chunk), visit);
}

function merge(source: readonly KeyRecord[], target: readonly KeyRecord[], visit: Visit): void {
  let at = 0;
  for (const record of source) {
    let other = target[at];
    let order = other === undefined ? -1 : record.key.compare(other.key);
    while (order > 0) {
      visit(undefined, other);
      at += 1;
      other = target[at];
      order = other === undefined ? -1 : record.key.compare(other.key);
    }
    visit(record, order === 0 ? other : undefined);
    if (order === 0) at += 1;
  }
  for (; at < target.length; at++) visit(undefined, target[at]);
}

export function holdTheSame(source: KeyRecord, target: KeyRecord): boolean {
  return source.lease === target.lease && source.value.equals(target.value);
}
