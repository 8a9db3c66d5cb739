import { QuorateError } from '../../base/errors.ts';
import { ContentHash } from './content-hash.ts';
import type { Chunk, ChunkPlace, KeyReader } from './key-reader.ts';
import type { KeyRecord } from './keyspace.ts';
import { OrderCheck } from './order-check.ts';
import { holdTheSame, sideBySide } from './side-by-side.ts';

export interface Comparison {
  /** Keys that both sides hold. */
  readonly keys: number;
  /** Of both sides, over keys, values and leases. */
  readonly sha256: string;
  readonly expired: ExpiredKeys;
}

/** Keys whose lease ran out before the copy was done. */
export interface ExpiredKeys {
  readonly leases: number;
  readonly keys: number;
}

const shownDifferences = 5;

/**
 * Reads both sides again, the source at the revision that was copied, and compares every byte, the number of keys,
 * their hashes and their order. Rejects with `copy-differs`. `places` are where the pages of the source began and
 * ended. `targetLeases` must be asked for after the revision of `target` was.
 */
export async function compareCopies(
  source: KeyReader,
  target: KeyReader,
  places: readonly ChunkPlace[],
  targetLeases: ReadonlySet<string>,
  onCompared: (keys: number) => void,
): Promise<Comparison> {
  const hashes = { source: new ContentHash(), target: new ContentHash() };
  const order = { created: new OrderCheck(), modified: new OrderCheck() };
  const expired = new Map<string, number>();
  const differences: string[] = [];
  let differing = 0;
  let keys = 0;
  const differs = (what: string, { key }: KeyRecord): void => {
    differing += 1;
    if (differences.length < shownDifferences) differences.push(`${what} ${JSON.stringify(key.toString('latin1'))}`);
  };
  await sideBySide(readAhead(source, places, onCompared), target, (ours, theirs) => {
    if (theirs !== undefined) hashes.target.add(theirs);
    if (ours === undefined) {
      if (theirs !== undefined) differs('only the target has', theirs);
      return;
    }
    if (theirs === undefined && ours.lease !== '0' && !targetLeases.has(ours.lease)) {
      expired.set(ours.lease, (expired.get(ours.lease) ?? 0) + 1);
      return;
    }
    hashes.source.add(ours);
    if (theirs === undefined) return differs('the target lacks', ours);
    keys += 1;
    if (!holdTheSame(ours, theirs)) differs('value or lease differ at', ours);
    order.created.add(ours.createRevision, theirs.createRevision);
    order.modified.add(ours.modRevision, theirs.modRevision);
  });
  const [sha256, other] = [hashes.source.hex(), hashes.target.hex()];
  if (differing === 0 && sha256 !== other) differences.push('the hashes of their contents differ');
  if (!order.created.isKept()) differences.push('keys were created in another order');
  if (!order.modified.isKept()) differences.push('keys were last written in another order');
  if (differences.length > 0) throw copyDiffers(differences, differing);
  const expiredKeys = [...expired.values()].reduce((sum, count) => sum + count, 0);
  return { keys, sha256, expired: { leases: expired.size, keys: expiredKeys } };
}

/** The next chunk is under way while one is compared. */
async function* readAhead(
  reader: KeyReader,
  places: readonly ChunkPlace[],
  onCompared: (keys: number) => void,
): AsyncGenerator<Chunk, void, void> {
  const read = (place: ChunkPlace | undefined): Promise<Chunk> | undefined => {
    if (place === undefined) return undefined;
    const reading = reader.range(place).then((records) => ({ ...place, records }));
    // When nobody comes for it, nobody has to hear that it failed.
    reading.catch(() => undefined);
    return reading;
  };
  let reading = read(places[0]);
  for (let next = 1; reading !== undefined; next++) {
    const chunk = await reading;
    reading = read(places[next]);
    yield chunk;
    onCompared(chunk.records.length);
  }
}

function copyDiffers(differences: readonly string[], differing: number): QuorateError {
  const more = differing > shownDifferences ? `; ${differing} keys differ in all` : '';
  return new QuorateError({
    code: 'copy-differs',
    kind: 'stalled',
    operation: 'compare the copy with its source',
    summary: `${differences.join('; ')}${more}`,
    remedy: 'Do not use the target. See that nobody else writes to it, empty it, and copy again.',
  });
}
