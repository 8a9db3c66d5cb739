import { join } from 'node:path';
import { type DrillReport, drillBackup } from '../backup/drill.ts';
import { writeDrill } from '../backup/drill-results.ts';
import type { ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { silentLogger } from '../base/log.ts';
import type { Transfer } from '../base/transfer.ts';
import { openBinaries } from '../controller/binaries.ts';
import { loadControllerConfig } from '../controller/config.ts';
import { userCacheDir } from '../etcd/binaries/cache-dir.ts';
import { type Binaries, createBinaries } from '../etcd/binaries.ts';
import { backupChoice, chooseBackup } from './backup-choice.ts';
import { type PlaceOptions, withPlace } from './backup-place.ts';
import { defaultBinarySettings } from './binaries.ts';
import { configPath } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { progressReporter } from './progress.ts';
import { stopSignal } from './stop-signal.ts';
import { errorText, type Terminal } from './terminal.ts';

export interface BackupDrillOptions extends PlaceOptions {
  readonly format: 'text' | 'json';
}

/** `quorate backup drill [NAME]`. Gives the exit code: 0 passed, 1 failed or impossible. */
export async function backupDrillCommand(
  name: string | undefined,
  options: BackupDrillOptions,
  terminal: Terminal,
): Promise<number> {
  return withPlace(options, async ({ store, catalog, clock }) => {
    const backup = await chooseBackup(catalog, name === undefined ? 'verified' : backupChoice(name));
    const { binaries, workRoot } = await drillHome(options, clock);
    const progress = progressReporter(terminal, clock);
    let report: DrillReport;
    try {
      report = await drillBackup({
        store,
        backup,
        binaries,
        workRoot,
        clock,
        log: silentLogger,
        signal: stopSignal(),
        progress: (seen) => (seen.phase === 'fetch' ? progress(transferOf(seen)) : progress.end()),
      });
    } finally {
      progress.end();
    }
    const { result, notes } = report;
    if (options.format === 'json') terminal.out(`${JSON.stringify({ ...result, notes }, undefined, 2)}\n`);
    else terminal.out(drillText(report, backup.proof?.keyCount !== undefined));
    await keep(store, report, terminal);
    return result.outcome === 'passed' ? exitCodes.done : exitCodes.error;
  });
}

export function transferOf(seen: {
  readonly snapshotBytes: number;
  readonly totalBytes: number | undefined;
}): Transfer {
  return { label: 'fetching', doneBytes: seen.snapshotBytes, totalBytes: seen.totalBytes };
}

/** The releases and the folder of the controller, or those of the user where there is no controller. */
async function drillHome(
  options: PlaceOptions,
  clock: Clock,
): Promise<{ readonly binaries: Binaries; readonly workRoot: string }> {
  if (options.store === undefined) {
    const config = await loadControllerConfig(configPath(options.config));
    return { binaries: openBinaries(config, clock, silentLogger), workRoot: join(config.state, 'drills') };
  }
  const settings = await defaultBinarySettings(process.env);
  return {
    binaries: createBinaries({ ...settings, clock, log: silentLogger }),
    workRoot: join(await userCacheDir(process.env), 'drills'),
  };
}

/** What is known of the backup was said already; a store that cannot be written to does not change it. */
async function keep(store: ObjectStore, { result }: DrillReport, terminal: Terminal): Promise<void> {
  try {
    await writeDrill(store, result);
  } catch (error) {
    terminal.err(
      `warning: the result could not be stored, so that \`status\` will not know of it\n${errorText(error)}`,
    );
  }
}

function drillText({ result, notes }: DrillReport, keysCompared: boolean): string {
  const { backup, outcome, etcdVersion, startedAtMs, endedAtMs, keyCount, revision, hash, timings, problem } = result;
  const took = formatDuration(endedAtMs - startedAtMs);
  const verdict = outcome === 'passed' ? 'passed' : outcome.toUpperCase();
  const compared = (is: boolean): string => {
    if (!is) return 'not compared';
    return outcome === 'passed' ? 'as recorded' : 'compared';
  };
  const { fetchMs, restoreMs, startMs, checkMs } = timings;
  const steps = Object.entries({ fetch: fetchMs, restore: restoreMs, start: startMs, check: checkMs });
  const lines = [
    `${backup}: ${verdict} with etcd ${etcdVersion} in ${took}`,
    ...(keyCount === null ? [] : [`  keys      ${keyCount} at revision ${revision}, ${compared(keysCompared)}`]),
    ...(hash === null ? [] : [`  hash      ${hash}, ${compared(result.hashCompared)}`]),
    `  time      ${steps.map(([step, ms]) => `${step} ${formatDuration(ms)}`).join(', ')}`,
    ...(problem === null ? [] : [`  problem   ${problem}`]),
    ...notes.map((note) => `  note      ${note}`),
  ];
  return `${lines.join('\n')}\n`;
}
