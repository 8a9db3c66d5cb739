import { clusterOrigin } from '../../apply/backup-origin.ts';
import { backUpIfDue } from '../../apply/periodic-backup.ts';
import { readRecord } from '../../backup/record.ts';
import { observe } from '../../observe/observe.ts';
import type { Chore, ChoreContext } from './chore.ts';

/** Backups are also taken by commands and before changes, and drills may fail: the next one may be due earlier or later. */
const longestPauseMs = 300_000;
/** A cluster that was not created yet has nothing to back up. */
const notCreatedPauseMs = 60_000;

/** `spec.backup.every`: takes a backup when one is due, from a healthy follower. Without a quorum it rejects. */
export const backupChore: Chore = {
  name: 'backup',
  run: async ({ spec, commit, sight, log, signal }: ChoreContext): Promise<number> => {
    const { every } = spec.backup;
    if (every === undefined) return Number.POSITIVE_INFINITY;
    const clusterId = (await readRecord(sight.store, spec.name))?.record.clusterId ?? null;
    if (clusterId === null) return notCreatedPauseMs;
    const { dueAtMs } = await backUpIfDue({
      cluster: spec.name,
      schedule: every,
      store: sight.store,
      catalog: sight.catalog,
      clock: sight.clock,
      clusterId,
      origin: async () => clusterOrigin(await observe(spec, sight), sight),
      commit,
      log,
      progress: () => undefined,
      signal,
    });
    return Math.min(longestPauseMs, dueAtMs - sight.clock.now());
  },
};
