import type { Clock } from '../../base/clock.ts';
import { QuorateError } from '../../base/errors.ts';
import type { Keyspace } from './keyspace.ts';
import { patiently } from './patience.ts';

/** Each lease takes two questions; etcd answers many at a time. */
const parallel = 16;

export interface CopiedLeases {
  readonly granted: number;
  /** They ran out before they could be copied. */
  readonly gone: number;
}

/**
 * Grants the leases of one cluster in another, with their ids and the time that they have left. What etcd renews a
 * lease to is the time that it was granted for, so clients that keep one alive get the shorter time from then on.
 */
export async function copyLeases(
  from: Keyspace,
  to: Keyspace,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal | undefined },
): Promise<CopiedLeases> {
  const ids = await patiently(clock, signal, () => from.leases());
  const rest = ids.values();
  let granted = 0;
  let gone = 0;
  const copyOne = async (id: string): Promise<void> => {
    const seconds = await patiently(clock, signal, () => from.remainingSeconds(id));
    if (seconds === undefined) {
      gone += 1;
      return;
    }
    await patiently(clock, signal, () => grantOnce(to, id, seconds));
    granted += 1;
  };
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      // One iterator for all of them: each takes the next.
      for (const id of rest) await copyOne(id);
    }),
  );
  return { granted, gone };
}

/** A lease of this id is the one that we granted when the answer got lost: the target held none before. */
async function grantOnce(to: Keyspace, id: string, seconds: number): Promise<void> {
  try {
    await to.grant(id, seconds);
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'lease-exists') throw error;
  }
}
