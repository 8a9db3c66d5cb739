import { takeClusterBackup } from '../apply/take-backup.ts';
import { silentLogger } from '../base/log.ts';
import { formatSize } from '../base/size.ts';
import { observe } from '../observe/observe.ts';
import { runBackupList, runBackupVerify } from './backup.ts';
import { desiredAt, selectOne, withWorld } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface BackupOptions {
  readonly config?: string;
  readonly cluster?: string;
  readonly format: 'text' | 'json';
}

/** `quorate backup create`: on demand, from a healthy follower; takes no lease, since it changes nothing in the cluster. */
export async function backupCreateCommand(options: BackupOptions, terminal: Terminal): Promise<number> {
  return withWorld(options.config, async (world) => {
    const { spec, commit } = selectOne(await desiredAt(world, undefined), options.cluster);
    const sight = await world.sight(spec);
    const backup = await takeClusterBackup({
      cluster: spec.name,
      live: await observe(spec, sight),
      sight,
      reason: 'on-demand',
      commit,
      runId: null,
      log: silentLogger,
      progress: (text) => terminal.err(`${text}\n`),
      signal: stopSignal(),
    });
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

/** `quorate backup verify NAME`. */
export async function backupVerifyCommand(name: string, options: BackupOptions, terminal: Terminal): Promise<number> {
  return withStore(options, terminal, (command) => runBackupVerify(command, name));
}

async function withStore(
  options: BackupOptions,
  terminal: Terminal,
  work: (command: Parameters<typeof runBackupList>[0]) => Promise<number>,
): Promise<number> {
  return withWorld(options.config, async (world) => {
    const { spec } = selectOne(await desiredAt(world, undefined), options.cluster);
    const { store, clock } = await world.sight(spec);
    return work({ store, clock, format: options.format, print: terminal.out, printNotice: terminal.err });
  });
}
