import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { keysOf, timeOfName } from './backup-name.ts';
import type { ObjectStore } from './store.ts';

/** No backup takes a day; what is older and unfinished has lost its writer. */
const leftoverAfterMs = 86_400_000;

/**
 * Removes what interrupted backups left more than a day ago: uploads that were never finished, and objects
 * under a name that Quorate claimed and that never got a meta. Never touches a listed backup, nor what another program wrote.
 * Trouble is logged, for it must not stop the backup that comes next.
 */
export async function removeLeftovers(store: ObjectStore, clock: Clock, log: Logger): Promise<void> {
  try {
    const uploads = await store.removeUnfinishedUploads(clock.now() - leftoverAfterMs);
    if (uploads > 0) log.info({ uploads }, 'removed unfinished uploads');
  } catch (error) {
    log.warn({ error: describeError(error) }, 'could not remove unfinished uploads');
  }
  const objects = await store.list('');
  const keys = new Set(objects.map((object) => object.key));
  for (const name of new Set(objects.map((object) => object.key.split('/', 1)[0] ?? ''))) {
    const claimedAtMs = timeOfName(name);
    const { meta, proof, archive, claim } = keysOf(name);
    if (claimedAtMs === undefined || clock.now() - claimedAtMs < leftoverAfterMs) continue;
    if (!keys.has(claim) || keys.has(meta)) continue;
    try {
      // The claim last: as long as it is there, a later run finds the rest.
      for (const key of [proof, archive, claim]) await store.delete(key);
      log.info({ backup: name }, 'removed an unfinished backup');
    } catch (error) {
      log.warn({ backup: name, error: describeError(error) }, 'could not remove an unfinished backup');
    }
  }
}
