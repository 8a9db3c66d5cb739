import { BackupCatalog, type BackupListing } from '../backup/catalog.ts';
import type { Backup, ObjectStore } from '../backup/store.ts';
import { type BackupVerification, verifyBackup } from '../backup/verify.ts';
import { type Clock, formatTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { formatSize } from '../base/size.ts';
import type { ProgressReporter } from './progress.ts';

export type OutputFormat = 'text' | 'json';

export interface BackupCommand {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly format: OutputFormat;
  /** Gets whole lines, with their newline. */
  readonly print: (text: string) => void;
  /** For what people should know beside the answer; standard error. */
  readonly printNotice: (text: string) => void;
  /** For `verify`. */
  readonly progress?: ProgressReporter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `quorate backup list`. Gives the exit code: 0, or 1 when a backup is there but damaged. */
export async function runBackupList({ store, clock, format, print, printNotice }: BackupCommand): Promise<number> {
  const listing = await new BackupCatalog(store).list();
  if (format === 'json') print(backupsJson(listing));
  else print(backupTable(listing.backups, clock.now()));
  for (const { severity, summary, detail } of listing.diagnostics) printNotice(`${severity}: ${summary} ${detail}\n`);
  return listing.diagnostics.some((diagnostic) => diagnostic.severity === 'error') ? 1 : 0;
}

/** `quorate backup verify NAME`. Gives the exit code: 0 whole, 1 not. */
export async function runBackupVerify(command: BackupCommand, name: string): Promise<number> {
  const { store, clock, progress, signal } = command;
  const result = await verifyBackup(store, name, { clock, progress, signal }).finally(() => progress?.end());
  command.print(command.format === 'json' ? verificationJson(result) : verificationText(result));
  return result.whole ? 0 : 1;
}

/** Newest first, one line each. `CLUSTER` is the id of the etcd cluster, `SIZE` what the archive takes in the store, `DATABASE` what it unpacks to. */
function backupTable(backups: readonly Backup[], nowMs: number): string {
  if (backups.length === 0) return 'No backups.\n';
  const header = ['NAME', 'AGE', 'SIZE', 'DATABASE', 'REVISION', 'MEMBERS', 'VERSION', 'VERIFIED', 'CLUSTER', 'REASON'];
  const rows = backups.map(({ name, takenAtMs, etcdVersion, memberCount, proof }) => [
    name,
    formatDuration(Math.max(0, nowMs - takenAtMs)),
    proof === undefined ? '-' : formatSize(proof.sizeBytes),
    proof === undefined ? '-' : formatSize(proof.dbSizeBytes),
    proof === undefined ? '-' : String(proof.revision),
    memberCount === 0 ? '-' : String(memberCount),
    etcdVersion,
    proof === undefined ? 'no proof' : 'yes',
    proof?.clusterId ?? '-',
    proof?.reason ?? '-',
  ]);
  const widths = header.map((_title, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}

/** Stable; times in ISO 8601, sizes in bytes, `null` for what another program did not write down. */
function backupsJson({ backups, diagnostics }: BackupListing): string {
  const entries = backups.map(({ name, takenAtMs, etcdVersion, memberCount, proof }) => ({
    name,
    at: formatTime(takenAtMs),
    etcdVersion,
    memberCount,
    verified: proof !== undefined,
    verifiedAt: proof === undefined ? null : formatTime(proof.verifiedAtMs),
    sizeBytes: proof?.sizeBytes ?? null,
    dbSizeBytes: proof?.dbSizeBytes ?? null,
    revision: proof?.revision ?? null,
    keyCount: proof?.keyCount ?? null,
    clusterId: proof?.clusterId ?? null,
    source: proof?.source ?? null,
    reason: proof?.reason ?? null,
    commit: proof?.commit ?? null,
    run: proof?.run ?? null,
    sha256: proof?.sha256 ?? null,
  }));
  return json({ formatVersion: '1.0', backups: entries, diagnostics });
}

function verificationText(result: BackupVerification): string {
  const { name, whole, problems, sizeBytes, sha256, snapshot, hasProof } = result;
  const lines = [
    `${name}: ${whole ? 'whole' : 'DAMAGED'}`,
    `  archive   ${formatSize(sizeBytes)}, SHA-256 ${sha256}${hasProof ? '' : ' (no proof to compare with)'}`,
    snapshot === null
      ? '  database  cannot be read to its end'
      : `  database  ${formatSize(snapshot.dbSizeBytes)}, SHA-256 ${snapshot.dbSha256} matches`,
    ...problems.map((problem) => `  problem   ${problem}`),
  ];
  return `${lines.join('\n')}\n`;
}

function verificationJson(result: BackupVerification): string {
  return json({ formatVersion: '1.0', ...result });
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
