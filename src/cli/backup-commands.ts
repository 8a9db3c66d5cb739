import { type Command, Option } from 'commander';
import type { BackupOptions } from './backup-create.ts';
import type { BackupDrillOptions } from './backup-drill.ts';
import type { OriginOptions } from './backup-place.ts';
import type { BackupPruneOptions } from './backup-prune.ts';
import type { BackupWatchOptions } from './backup-watch.ts';
import { cluster, config, format, run, urlList } from './command-options.ts';
import { processTerminal as terminal } from './terminal.ts';

const store = (): Option => new Option('--store <url>', 'a store of backups, without a controller; needs --cluster');

/** Whom to back up: the cluster of a spec, or any etcd. */
function originOptions(): readonly Option[] {
  const urls = new Option(
    '--endpoints <urls>',
    'client URLs of any etcd, a comma between; needs --store and --cluster',
  );
  return [
    config(),
    cluster(),
    urls.argParser(urlList),
    new Option('--cacert <file>', 'authorities that its certificate may be of; default those of the system'),
    new Option('--cert <file>', 'client certificate'),
    new Option('--key <file>', 'its key'),
    new Option('--replaces <cluster-id>', 'cluster that the store is of, when this one has taken its place'),
    store(),
  ];
}

/** `quorate backup …`: each command is loaded when it is called. */
export function addBackupCommands(backup: Command): void {
  const create = backup.command('create').description('take a backup now');
  for (const option of originOptions()) create.addOption(option);
  create
    .addOption(format('text', 'json'))
    .action(
      run(async (options: BackupOptions & OriginOptions) =>
        (await import('./backup-create.ts')).backupCreateCommand(options, terminal),
      ),
    );
  const watch = backup.command('watch').description('take a backup again and again, until SIGTERM or SIGINT');
  for (const option of originOptions()) watch.addOption(option);
  watch
    .option('--every <schedule>', '15m, or a cron expression in UTC; default that of the spec')
    .action(
      run(async (options: BackupWatchOptions) =>
        (await import('./backup-watch.ts')).backupWatchCommand(options, terminal),
      ),
    );
  backup
    .command('list')
    .description('backups in the store, newest first')
    .addOption(config())
    .addOption(cluster())
    .addOption(store())
    .addOption(format('text', 'json'))
    .action(
      run(async (options: BackupOptions) => (await import('./backup-create.ts')).backupListCommand(options, terminal)),
    );
  backup
    .command('verify')
    .description('read a backup again and check every byte of it')
    .argument('<name>', 'as `backup list` shows it, or latest')
    .addOption(config())
    .addOption(cluster())
    .addOption(store())
    .addOption(format('text', 'json'))
    .action(
      run(async (name: string, options: BackupOptions) =>
        (await import('./backup-create.ts')).backupVerifyCommand(name, options, terminal),
      ),
    );
  backup
    .command('drill')
    .description('restore a backup into a scratch etcd and compare it with what was recorded')
    .argument('[name]', 'or latest; default the newest verified one')
    .addOption(config())
    .addOption(cluster())
    .addOption(store())
    .addOption(format('text', 'json'))
    .action(
      run(async (name: string | undefined, options: BackupDrillOptions) =>
        (await import('./backup-drill.ts')).backupDrillCommand(name, options, terminal),
      ),
    );
  backup
    .command('prune')
    .description('delete the backups that are not to be kept, and say why')
    .addOption(config())
    .addOption(cluster())
    .addOption(store())
    .option('--keep <counts>', 'last=24,hourly=48,daily=14,weekly=8; default that of the spec; needed with --store')
    .option('--dry-run', 'only show what would be deleted')
    .addOption(format('text', 'json'))
    .action(
      run(async (options: BackupPruneOptions) =>
        (await import('./backup-prune.ts')).backupPruneCommand(options, terminal),
      ),
    );
}
