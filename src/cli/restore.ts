import { resolve } from 'node:path';
import { timeOfName } from '../backup/backup-name.ts';
import { releaseForBackup } from '../backup/restore-release.ts';
import type { Backup } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { QuorateError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { formatSize } from '../base/size.ts';
import { type Binaries, createBinaries, type EtcdBinary } from '../etcd/binaries.ts';
import { compareVersions, minorOf } from '../etcd/releases.ts';
import { backupChoice, chooseBackup } from './backup-choice.ts';
import { transferOf } from './backup-drill.ts';
import { type PlaceOptions, withPlace } from './backup-place.ts';
import { defaultBinarySettings } from './binaries.ts';
import { exitCodes } from './exit-codes.ts';
import { progressReporter } from './progress.ts';
import { restoreDataDir } from './restore-data-dir.ts';
import { shellWord } from './shell-word.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface RestoreOptions extends PlaceOptions {
  /** Name of a backup, or `latest`. */
  readonly backup: string;
  readonly dataDir: string;
  readonly name: string;
  /** `name=peerURL,…`; default: this member alone. */
  readonly initialCluster?: string;
  readonly initialAdvertisePeerUrls: string;
  /** Default: made from the backup's name, so that members restored one by one agree. */
  readonly initialClusterToken?: string;
  readonly bumpRevision: number;
  /** etcd release; default that of the backup. */
  readonly version?: string;
  readonly format: 'text' | 'json';
}

/** `quorate restore`: the data dir of one member, by hand. Gives exit code 0. */
export async function restoreCommandLine(options: RestoreOptions, terminal: Terminal): Promise<number> {
  const { name: member, initialAdvertisePeerUrls: peerUrl } = options;
  const initialCluster = options.initialCluster ?? `${member}=${peerUrl}`;
  checkMembership(member, peerUrl, initialCluster);
  return withPlace(options, async ({ store, catalog, clock }) => {
    const signal = stopSignal();
    const backup = await chooseBackup(catalog, backupChoice(options.backup));
    const settings = await defaultBinarySettings(process.env);
    const progressLine = (line: string): void => terminal.err(`${line}\n`);
    const binaries = createBinaries({ ...settings, clock, log: silentLogger, progress: progressLine });
    const binary = await chooseRelease(binaries, backup, options.version, signal);
    const token = options.initialClusterToken ?? `quorate-${backup.name}`;
    const { bumpRevision } = options;
    const dataDir = resolve(options.dataDir);
    const progress = progressReporter(terminal, clock);
    try {
      await restoreDataDir({
        store,
        backup,
        binary,
        clock,
        signal,
        dataDir,
        member,
        peerUrl,
        initialCluster,
        token,
        bumpRevision,
        progress: (seen) => progress(transferOf(seen)),
        restoring: () => progress.end(),
      });
    } finally {
      progress.end();
    }
    const command = etcdCommand(binary, { dataDir, member, peerUrl, initialCluster, token });
    if (options.format === 'json') {
      const { name, proof, takenAtMs } = backup;
      const facts = { backup: name, takenAtMs, revision: proof?.revision ?? null, bumpRevision };
      const answer = { formatVersion: '1.0', ...facts, etcdVersion: binary.version, dataDir, command };
      terminal.out(`${JSON.stringify(answer, undefined, 2)}\n`);
    } else terminal.out(restoredText(backup, binary, dataDir, command, bumpRevision, clock));
    return exitCodes.done;
  });
}

/** Throws `backup-newer-than-tool`: no release reads what a later minor wrote. */
async function chooseRelease(
  binaries: Binaries,
  backup: Backup,
  version: string | undefined,
  signal: AbortSignal,
): Promise<EtcdBinary> {
  if (version === undefined) return await releaseForBackup(binaries, backup, signal);
  const binary = await binaries.ensure(version, signal);
  const { name, etcdVersion } = backup;
  const isKnown = /^\d+\.\d+\.\d+/.test(etcdVersion);
  if (isKnown && compareVersions(`${minorOf(etcdVersion)}.0`, `${minorOf(version)}.0`) > 0)
    throw new QuorateError({
      code: 'backup-newer-than-tool',
      kind: 'refused',
      operation: `restore ${name} with etcd ${version}`,
      summary: `etcd ${etcdVersion} wrote it, and no release reads what a later minor wrote`,
      remedy: `Restore it with --version ${etcdVersion}, and go back with \`quorate copy-keys\` if it has to be.`,
    });
  return binary;
}

function checkMembership(member: string, peerUrl: string, initialCluster: string): void {
  const wrong = (summary: string): QuorateError =>
    new QuorateError({
      code: 'options-unclear',
      kind: 'invalid',
      operation: 'read the options',
      summary,
      remedy: 'Give every member the same --initial-cluster, and each its own --name and peer URL out of it.',
    });
  const odd = [peerUrl, ...initialCluster.split(',').map((part) => part.slice(part.indexOf('=') + 1))].find(
    (url) => !/^https?:\/\/[^/?#@\s,=]+:\d{1,5}$/.test(url),
  );
  if (odd !== undefined) throw wrong(`${JSON.stringify(odd)} is no peer URL of the form https://host:2380`);
  if (initialCluster.split(',').includes(`${member}=${peerUrl}`)) return;
  throw wrong(`--initial-cluster ${initialCluster} does not hold ${member}=${peerUrl}, which this member is`);
}

interface StartFacts {
  readonly dataDir: string;
  readonly member: string;
  readonly peerUrl: string;
  readonly initialCluster: string;
  readonly token: string;
}

function etcdCommand(binary: EtcdBinary, facts: StartFacts): readonly string[] {
  const { hostname } = new URL(facts.peerUrl);
  const clientUrl = `${new URL(facts.peerUrl).protocol}//${hostname}:2379`;
  const flags = {
    name: facts.member,
    'data-dir': facts.dataDir,
    'listen-peer-urls': facts.peerUrl,
    'initial-advertise-peer-urls': facts.peerUrl,
    'initial-cluster': facts.initialCluster,
    'initial-cluster-token': facts.token,
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
  };
  return [binary.etcd, ...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)];
}

function restoredText(
  backup: Backup,
  binary: EtcdBinary,
  dataDir: string,
  command: readonly string[],
  bumpRevision: number,
  clock: Clock,
): string {
  const { name, proof, takenAtMs } = backup;
  const age = formatDuration(Math.max(0, clock.now() - (takenAtMs || (timeOfName(name) ?? 0))));
  const content =
    proof === undefined
      ? 'it has no proof, only its own hash was checked'
      : `${formatSize(proof.dbSizeBytes)} at revision ${proof.revision}, as proven`;
  const lines = [
    `${name} is restored into ${dataDir} with etcd ${binary.version}: ${content}.`,
    `It was taken ${age} ago; what was written since is not in it.`,
    ...(bumpRevision === 0
      ? [
          'Revisions go on from those of the backup: clients that watched the old cluster can see them run backwards.',
          'With --bump-revision 1000000, or more than was written since, they do not.',
        ]
      : [`Revisions were raised by ${bumpRevision}, and everything before is marked as compacted.`]),
    '',
    'Restore the other members from the same backup first, if there are any. Then start each with its own flags for TLS:',
    '',
    `  ${command.map(shellWord).join(' ')}`,
  ];
  return `${lines.join('\n')}\n`;
}
