import { takeBackupFrom } from '../apply/take-backup.ts';
import type { BackupCatalog } from '../backup/catalog.ts';
import { silentLogger } from '../base/log.ts';
import { formatSize } from '../base/size.ts';
import { type BackupCommand, runBackupList, runBackupVerify } from './backup.ts';
import { backupChoice, chooseBackup } from './backup-choice.ts';
import { type OriginOptions, type PlaceOptions, withPlace, withSubject } from './backup-place.ts';
import { exitCodes } from './exit-codes.ts';
import { progressReporter } from './progress.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface BackupOptions extends PlaceOptions {
  readonly format: 'text' | 'json';
}

/** `quorate backup create`: on demand, from a healthy follower; takes no lease, since it changes nothing in the cluster. */
export async function backupCreateCommand(options: BackupOptions & OriginOptions, terminal: Terminal): Promise<number> {
  const signal = stopSignal();
  return withSubject(options, async ({ cluster, store, clock, commit, withOrigin }) => {
    const progress = progressReporter(terminal, clock);
    const purpose = { cluster, store, clock, commit, reason: 'on-demand', runId: null, log: silentLogger };
    const backup = await withOrigin((origin) => takeBackupFrom({ ...purpose, origin, progress, signal })).finally(() =>
      progress.end(),
    );
    if (options.format === 'json') terminal.out(`${JSON.stringify(backup, undefined, 2)}\n`);
    else
      terminal.out(
        `${backup.name}  ${formatSize(backup.proof?.dbSizeBytes ?? 0)} at revision ${backup.proof?.revision ?? '?'}, verified\n`,
      );
    return exitCodes.done;
  });
}

/** `quorate backup list`. */
export async function backupListCommand(options: BackupOptions, terminal: Terminal): Promise<number> {
  return withStore(options, terminal, runBackupList);
}

/** `quorate backup verify NAME`, or `latest`. */
export async function backupVerifyCommand(name: string, options: BackupOptions, terminal: Terminal): Promise<number> {
  return withStore(options, terminal, async (command, catalog) => {
    const choice = backupChoice(name);
    // What is wrong with a backup that is named is for the verification to tell, even where no listing shows it.
    return runBackupVerify(command, typeof choice === 'string' ? (await chooseBackup(catalog, choice)).name : name);
  });
}

async function withStore(
  options: BackupOptions,
  terminal: Terminal,
  work: (command: BackupCommand, catalog: BackupCatalog) => Promise<number>,
): Promise<number> {
  return withPlace(options, async ({ store, catalog, clock }) => {
    const signal = stopSignal();
    const progress = progressReporter(terminal, clock);
    const command = {
      store,
      clock,
      format: options.format,
      print: terminal.out,
      printNotice: terminal.err,
      progress,
      signal,
    };
    return work(command, catalog);
  });
}
