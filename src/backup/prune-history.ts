import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ObjectStore } from './store.ts';

/** As many as `quorate history` can show, and half a year of daily drills. */
const kept = { runs: 1000, drills: 200 } as const;
/** More wait for the next call; a store that has gathered ten thousands does not hold everything up. */
const maxDeletionsAtOnce = 500;

export interface HistoryPruned {
  readonly deleted: number;
  readonly failed: readonly { readonly name: string; readonly error: string }[];
}

/** Deletes the oldest records of runs beyond the newest 1000 and results of drills beyond the newest 200. */
export async function pruneHistory(store: ObjectStore, log: Logger, signal?: AbortSignal): Promise<HistoryPruned> {
  let deleted = 0;
  const failed: { name: string; error: string }[] = [];
  for (const kind of ['runs', 'drills'] as const) {
    for (const key of await surplusOf(store, kind)) {
      if (signal?.aborted === true || deleted + failed.length >= maxDeletionsAtOnce) break;
      try {
        await store.delete(key);
        deleted += 1;
      } catch (error) {
        failed.push({ name: key, error: describeError(error) });
        // History alone: what does not go now goes next time.
        break;
      }
    }
  }
  if (deleted > 0) log.info({ deleted }, 'deleted old records of runs and drills');
  return { deleted, failed };
}

/** Keys, oldest first; only those that begin with a time, as ours do. */
async function surplusOf(store: ObjectStore, kind: keyof typeof kept): Promise<readonly string[]> {
  const pattern = /^(runs|drills)\/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ-[^/]+\.json$/;
  const keys = (await store.list(`${kind}/`)).map((object) => object.key).filter((key) => pattern.test(key));
  return keys.toSorted().slice(0, Math.max(0, keys.length - kept[kind]));
}
