#!/usr/bin/env -S node --max-semi-space-size=1
// The small young generation keeps an agent below 100 MiB; nothing here allocates fast enough to miss it.
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { ApplyOptions } from './apply.ts';
import { addBackupCommands } from './backup-commands.ts';
import { cluster, config, count, format, once, run, urlList } from './command-options.ts';
import type { CopyKeysOptions } from './copy-keys.ts';
import type { EtcdctlOptions } from './etcdctl.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import type { FleetClientOptions } from './fleet/client.ts';
import type { HistoryOptions } from './history.ts';
import type { HostOptions } from './hosts.ts';
import { defaultVersion } from './init/default-version.ts';
import type { PlanOptions } from './plan.ts';
import type { RestoreOptions } from './restore.ts';
import type { StatusOptions } from './status.ts';
import { errorText, processTerminal as terminal } from './terminal.ts';

// Each command is loaded when it is called: `quorate validate` should not wait for a gRPC stack.
const program = new Command('quorate')
  .description('Declarative etcd clusters from Git, on plain hosts')
  .version(packageVersion())
  .showHelpAfterError('(quorate --help lists the commands)')
  // A command may have a --version of its own.
  .enablePositionalOptions()
  .exitOverride();

function command(name: string, description: string): Command {
  return program.command(name).description(description);
}

command('init', 'scaffold a fleet: Git repository, configuration, certificates')
  .argument('<dir>', 'a new or empty folder')
  .option('--cluster <name>', 'name of the first cluster; default orders')
  .option('--version <version>', `etcd release; default ${defaultVersion}`)
  .option(
    '--host <name=ip:port>',
    'a host and the port of its agent; repeat for each; none: three on 127.0.0.1',
    (value: string, all: string[] | undefined) => [...(all ?? []), value],
  )
  .option('--from-store <url>', 'write the spec from a store of etcd-manager; without the name of the cluster')
  .action(
    run(async (dir: string, options: { cluster?: string; version?: string; host?: string[]; fromStore?: string }) => {
      const { init, parseHost } = await import('./init.ts');
      return init({ ...options, dir, hosts: options.host?.map(parseHost) }, { write: terminal.out });
    }),
  );

const fleet = command('fleet', 'add hosts to a fleet, renew its certificates, make them for applications');
fleet
  .command('add')
  .description('certificate and configuration of one more agent')
  .argument('<dir>', 'folder that init made')
  .requiredOption('--host <name=ip:port>', 'the host and the port of its agent', once)
  .action(
    run(async (dir: string, options: { host: string }) =>
      (await import('./fleet.ts')).fleetAddCommand(dir, options, terminal),
    ),
  );
fleet
  .command('list')
  .description('certificates of agents, controller and operator, with their ends')
  .argument('<dir>', 'folder that init made')
  .addOption(format('text', 'json'))
  .action(
    run(async (dir: string, options: { format: 'text' | 'json' }) =>
      (await import('./fleet.ts')).fleetListCommand(dir, options, terminal),
    ),
  );
fleet
  .command('renew')
  .description('renew those that are past two thirds of their life')
  .argument('<dir>', 'folder that init made')
  .option('--all', 'renew the others too')
  .action(
    run(async (dir: string, options: { all?: boolean }) =>
      (await import('./fleet.ts')).fleetRenewCommand(dir, options, terminal),
    ),
  );
fleet
  .command('client')
  .description('client certificate of a cluster, for an application')
  .argument('[dir]', 'folder that init made, with controller.yaml in it')
  .addOption(config())
  .addOption(cluster())
  .requiredOption('--name <name>', 'common name: the user in etcd, and the name of the files')
  .option('--out <folder>', 'where to write ca.pem, NAME.pem and NAME.key; default here')
  .option('--validity <duration>', 'how long it lasts, such as 12h or 90d; default 90d')
  .action(
    run(async (dir: string | undefined, options: FleetClientOptions) =>
      (await import('./fleet/client.ts')).fleetClient(dir, options, terminal),
    ),
  );

command('agent', 'serve one host: its etcd processes, data and keys')
  .requiredOption('--config <file>', 'agents/NAME.yaml')
  .action(run(async (options: { config: string }) => (await import('./agent.ts')).agentCommand(options)));

command('controller', 'make clusters what Git says, and keep them so')
  .addOption(config())
  .option('--once', 'stop when nothing is left to do')
  .action(
    run(async (options: { config?: string; once?: boolean }) =>
      (await import('./controller.ts')).controllerCommand(options, terminal),
    ),
  );

command('validate', 'check cluster specs')
  .argument('<path...>', 'files or folders')
  .action(run(async (paths: string[]) => (await import('./validate.ts')).validate(paths, { write: terminal.out })));

command('plan', 'show what would be done, and why')
  .addOption(config())
  .addOption(cluster())
  .option('--ref <rev>', 'branch, tag or commit; default the followed ref')
  .addOption(format('text', 'json', 'markdown'))
  .option('--out <file>', 'write the plan for `apply --plan`')
  .option('--detailed-exitcode', '0 nothing to do, 2 changes pending')
  .action(run(async (options: PlanOptions) => (await import('./plan.ts')).planCommand(options, terminal)));

command('apply', 'make a plan and apply it now')
  .addOption(config())
  .addOption(cluster())
  .option('--ref <rev>', 'branch, tag or commit; default the followed ref')
  .option('--plan <file>', 'only if this plan is still the right one')
  .action(run(async (options: ApplyOptions) => (await import('./apply.ts')).applyCommand(options, terminal)));

command('status', 'how the clusters are')
  .addOption(config())
  .addOption(cluster())
  .addOption(format('text', 'json'))
  .option('--watch', 'look again every two seconds')
  .action(run(async (options: StatusOptions) => (await import('./status.ts')).statusCommand(options, terminal)));

command('history', 'what was done, newest first')
  .addOption(config())
  .addOption(cluster())
  .addOption(format('text', 'json'))
  .option('--limit <count>', 'how many runs', count(1, 1000), 20)
  .action(run(async (options: HistoryOptions) => (await import('./history.ts')).historyCommand(options, terminal)));

addBackupCommands(command('backup', 'take, list, verify, drill and prune backups'));

command('restore', 'make the data dir of one member from a backup, by hand')
  .addOption(config())
  .addOption(cluster())
  .option('--store <url>', 'a store of backups, without a controller; needs --cluster')
  .requiredOption('--backup <name>', 'a name as `backup list` shows it, or latest')
  .requiredOption('--data-dir <dir>', 'a folder that does not exist, or is empty')
  .option('--name <name>', 'name of the member', 'default')
  .option('--initial-advertise-peer-urls <url>', 'peer URL of the member', 'http://localhost:2380')
  .option('--initial-cluster <members>', 'NAME=URL,… of all members; default this one alone')
  .option('--initial-cluster-token <token>', 'the same for all members; default made from the name of the backup')
  .option(
    '--bump-revision <count>',
    'raise revisions by so many, and mark what was before as compacted',
    count(0, 1e12),
    0,
  )
  .option('--version <version>', 'etcd release; default that of the backup')
  .addOption(format('text', 'json'))
  .action(run(async (options: RestoreOptions) => (await import('./restore.ts')).restoreCommandLine(options, terminal)));

command('copy-keys', 'copy all keys and leases of one etcd into another that is empty')
  .requiredOption('--from <urls>', 'client URLs of the source, a comma between', urlList)
  .option('--from-cacert <file>', 'authorities that its certificate may be of; default those of the system')
  .option('--from-cert <file>', 'client certificate')
  .option('--from-key <file>', 'its key')
  .requiredOption('--to <urls>', 'client URLs of the target, a comma between', urlList)
  .option('--to-cacert <file>', 'as --from-cacert, of the target')
  .option('--to-cert <file>', 'as --from-cert, of the target')
  .option('--to-key <file>', 'as --from-key, of the target')
  .option('--max-txn-ops <count>', 'puts in a transaction; not above max-txn-ops of the target', count(1, 10_000), 128)
  .option('--revision <revision>', 'state to copy; default the current one', count(1, Number.MAX_SAFE_INTEGER))
  .option('--continue', 'finish a copy that was broken off')
  .option('--without-auth', 'users and roles of the source may stay behind')
  .option('--dry-run', 'check everything and write nothing')
  .action(run(async (options: CopyKeysOptions) => (await import('./copy-keys.ts')).copyKeysCommand(options, terminal)));

command('etcdctl', "run etcdctl with the cluster's endpoints and a short-lived certificate")
  .addOption(config())
  .addOption(cluster())
  .option('--member <host>', 'ask this member only')
  .argument('[args...]', 'after --')
  .action(
    run(async (args: string[], options: EtcdctlOptions) =>
      (await import('./etcdctl.ts')).etcdctlCommand(options, args),
    ),
  );

command('ps', 'etcd processes on the hosts')
  .addOption(config())
  .option('--host <name>', 'one host; default all')
  .action(run(async (options: HostOptions) => (await import('./hosts.ts')).psCommand(options, terminal)));

command('logs', "the end of a member's log")
  .addOption(config())
  .addOption(cluster())
  .requiredOption('--host <name>')
  .option('--lines <count>', 'how many lines', count(1, 10_000), 100)
  .action(
    run(async (options: HostOptions & { lines: number }) =>
      (await import('./hosts.ts')).logsCommand(options, terminal),
    ),
  );

const binaries = command('binaries', 'etcd releases on this host');
binaries
  .command('list')
  .description('what can be started without fetching')
  .addOption(format('text', 'json'))
  .action(
    run(async (options: { format: 'text' | 'json' }) =>
      (await import('./binaries-command.ts')).binariesList(options.format, terminal),
    ),
  );
binaries
  .command('fetch')
  .description('make a release ready and say where it is')
  .argument('<version>')
  .addOption(format('text', 'json'))
  .action(
    run(async (version: string, options: { format: 'text' | 'json' }) =>
      (await import('./binaries-command.ts')).binariesFetch(version, options.format, terminal),
    ),
  );

command('demo', 'three to five hosts on loopback, a Git repository, and a tour of commits')
  .option('--keep', 'leave everything running and say how to play on')
  .option('--version <version>', 'etcd release')
  .action(
    run(async (options: { keep?: boolean; version?: string }) =>
      (await import('./demo.ts')).demoCommand(options, terminal),
    ),
  );

function packageVersion(): string {
  // The same from src/cli and from dist/cli.
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

try {
  await program.parseAsync();
} catch (error) {
  const isUsage =
    error instanceof Error && 'exitCode' in error && 'code' in error && String(error.code).startsWith('commander.');
  if (isUsage) process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.invalidInput;
  else {
    terminal.err(errorText(error));
    process.exitCode = exitCodeOf(error);
  }
}
