import { join } from 'node:path';
import { drillBackup } from '../../backup/drill.ts';
import { readLastDrill, writeDrill } from '../../backup/drill-results.ts';
import { nextDrillAtMs } from '../../backup/drill-schedule.ts';
import type { Backup, DrillResult } from '../../backup/store.ts';
import type { Logger } from '../../base/log.ts';
import type { Binaries } from '../../etcd/binaries.ts';
import type { Chore, ChoreContext } from './chore.ts';

export interface DrillChoreOptions {
  /** The releases that backups are restored with. */
  readonly binaries: Binaries;
}

/** Until the first backup is there. */
const noBackupPauseMs = 300_000;
/** While another cluster is drilled. */
const busyPauseMs = 60_000;

/**
 * `spec.backup.drill`: restores the newest verified backup into a scratch etcd on this host when it is due, and stores
 * what came of it. Make one for a process: it drills one cluster at a time, since a drill takes disk and memory of the
 * size of a database.
 */
export function createDrillChore({ binaries }: DrillChoreOptions): Chore {
  let isBusy = false;
  /** By cluster: results that the store did not take. They are not gained anew, which would take as long again. */
  const unstored = new Map<string, DrillResult>();

  return {
    name: 'drill',
    run: async (context: ChoreContext): Promise<number> => {
      const { spec, sight, signal } = context;
      const cadence = spec.backup.drill;
      if (cadence === 'never') return Number.POSITIVE_INFINITY;
      await storeResult(spec.name, context, unstored);
      const newest = (await sight.catalog.list()).backups.find(({ proof }) => proof !== undefined);
      if (newest === undefined) return noBackupPauseMs;
      const pauseMs = async (): Promise<number> => {
        const last = await readLastDrill(sight.store);
        const nowMs = sight.clock.now();
        return nextDrillAtMs({ cadence, cluster: spec.name, last, newest, nowMs }) - nowMs;
      };
      const restMs = await pauseMs();
      if (restMs > 0) return restMs;
      if (isBusy) return busyPauseMs;
      isBusy = true;
      try {
        unstored.set(spec.name, await drill(newest, context, binaries));
      } finally {
        isBusy = false;
      }
      signal.throwIfAborted();
      await storeResult(spec.name, context, unstored);
      return pauseMs();
    },
  };
}

async function drill(backup: Backup, context: ChoreContext, binaries: Binaries): Promise<DrillResult> {
  const { sight, stateDir, log, signal } = context;
  const { store, clock } = sight;
  const workRoot = join(stateDir, 'drills');
  const { result, notes } = await drillBackup({ store, backup, binaries, workRoot, clock, log, signal });
  report(result, notes, log);
  return result;
}

async function storeResult(
  cluster: string,
  { sight }: ChoreContext,
  unstored: Map<string, DrillResult>,
): Promise<void> {
  const result = unstored.get(cluster);
  if (result === undefined) return;
  await writeDrill(sight.store, result);
  unstored.delete(cluster);
}

function report(result: DrillResult, notes: readonly string[], log: Logger): void {
  const { outcome, backup, problem, etcdVersion, keyCount, hashCompared, timings } = result;
  const fields = { backup, etcdVersion, keyCount, hashCompared, ...timings, notes };
  if (outcome === 'passed') log.info(fields, 'drill passed: the backup restores to what was recorded');
  else if (outcome === 'failed')
    log.error({ ...fields, problem }, 'drill FAILED: do not rely on this backup; take a new one and look at the store');
  else log.warn({ ...fields, problem }, 'drill impossible: nothing is known of the backup; it is tried again');
}
