import { coveredUntilMs, readHistory } from '../backup/backup-history.ts';
import { listRuns } from '../backup/runs.ts';
import { describeError } from '../base/errors.ts';
import type { DesiredCluster } from '../controller/specs.ts';
import { readStatusFile } from '../controller/status-file.ts';
import type { World } from '../controller/world.ts';
import type { LiveState } from '../observe/live-state.ts';
import { observe } from '../observe/observe.ts';
import type { Sight } from '../observe/sight.ts';
import { plan } from '../plan/planner.ts';
import { type ClusterStatusInput, clusterStatus, type StatusDocument, statusDocument } from '../report/status.ts';
import type { BackupReport } from '../report/status-input.ts';
import { clusterIdOf } from '../report/status-live.ts';
import { renderStatusText } from '../report/status-text.ts';
import { desiredAt, withWorld } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface StatusOptions {
  readonly config?: string;
  readonly cluster?: string;
  readonly format: 'text' | 'json';
  readonly watch?: boolean;
}

const watchIntervalMs = 2000;

/** `quorate status`: looked at now, plus what the controller's loop left behind. */
export async function statusCommand(options: StatusOptions, terminal: Terminal): Promise<number> {
  return withWorld(options.config, async (world) => {
    const stop = stopSignal();
    for (;;) {
      const document = await lookAround(world, options.cluster);
      const text =
        options.format === 'json'
          ? `${JSON.stringify(document, undefined, 2)}\n`
          : renderStatusText(document, { nowMs: world.clock.now(), hasColor: terminal.hasColor });
      // Clears the screen between two looks on a terminal; a pipe gets one after the other.
      terminal.out(options.watch === true && terminal.hasColor ? `\u001b[2J\u001b[H${text}` : text);
      if (options.watch !== true || stop.aborted) return exitCodes.done;
      try {
        await world.clock.sleep(watchIntervalMs, stop);
      } catch {
        return exitCodes.done;
      }
    }
  });
}

async function lookAround(world: World, name: string | undefined): Promise<StatusDocument> {
  const ref = world.repository.ref;
  try {
    const desired = await desiredAt(world, undefined);
    const clusters = desired.clusters.filter((cluster) => name === undefined || cluster.name === name);
    return statusDocument({
      source: { ref, commit: desired.commit, error: null },
      diagnostics: desired.diagnostics,
      clusters: (await Promise.all(clusters.map((cluster) => look(world, cluster)))).map(clusterStatus),
    });
  } catch (error) {
    return statusDocument({
      source: { ref, commit: null, error: describeError(error) },
      diagnostics: [],
      clusters: [],
    });
  }
}

async function look(world: World, cluster: DesiredCluster): Promise<ClusterStatusInput> {
  const { spec, name } = cluster;
  const loop = await readStatusFile(world.config.state, name);
  const common = {
    name,
    commit: cluster.commit,
    diagnostics: cluster.diagnostics,
    isOrphaned: cluster.isOrphaned,
    loop,
  };
  if (spec === undefined) return { ...common, spec: undefined };
  const sight = await world.sight(spec);
  const live = await observe(spec, sight);
  const runs = await listRuns(sight.store, 1).catch(() => undefined);
  const backups = await backupReport(live, sight).catch(() => undefined);
  return { ...common, spec, live, backups, plan: plan(spec, live, cluster.commit), lastRun: runs?.runs[0] };
}

async function backupReport(live: LiveState, { store, catalog, clock }: Sight): Promise<BackupReport> {
  const { backups, diagnostics } = await catalog.list();
  const history = await readHistory(store, backups);
  const clusterId = clusterIdOf(live);
  const isOwnCheck = clusterId !== null && history.check?.clusterId === clusterId;
  return {
    coveredUntilMs: clusterId === null ? undefined : coveredUntilMs(history, clusterId, clock.now()),
    checkedAtMs: isOwnCheck ? history.check?.checkedAtMs : undefined,
    lastDrill: history.lastDrill,
    damaged: diagnostics,
  };
}
