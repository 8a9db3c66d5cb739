import { timeOfName } from '../backup/backup-name.ts';
import { judgeStore, type PruneReport, pruneBackups } from '../backup/prune.ts';
import type { NamedBackup, RetentionVerdict } from '../backup/retention.ts';
import type { ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { QuorateError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { namedBySpec } from '../controller/upkeep/prune-chore.ts';
import { counted } from '../report/shown.ts';
import { renderTable } from '../report/table.ts';
import type { KeepSpec } from '../spec/cluster-spec.ts';
import { type PlaceOptions, storedPlace } from './backup-place.ts';
import { desiredAt, selectOne, withWorld } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

export interface BackupPruneOptions extends PlaceOptions {
  /** `last=24,hourly=48,…`; default that of the spec. */
  readonly keep?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly format: 'text' | 'json';
}

interface Subject {
  readonly store: ObjectStore;
  readonly cluster: string;
  readonly keep: KeepSpec;
  readonly named: readonly NamedBackup[];
  readonly clock: Clock;
}

/** `quorate backup prune`. Gives the exit code: 0, or 1 when something could not be deleted. */
export async function backupPruneCommand(options: BackupPruneOptions, terminal: Terminal): Promise<number> {
  const given = options.keep === undefined ? undefined : parseKeep(options.keep);
  if (options.store === undefined) {
    return withWorld(options.config, async (world) => {
      const { spec } = selectOne(await desiredAt(world, undefined), options.cluster);
      const keep = given ?? spec.backup.keep;
      if (keep === undefined) throw noKeep('the spec has no backup.keep, so no backup is ever deleted');
      const { store, clock } = await world.sight(spec);
      return prune({ store, cluster: spec.name, keep, named: namedBySpec(spec), clock }, options, terminal);
    });
  }
  const { store, cluster, clock } = await storedPlace({ ...options, store: options.store });
  if (given === undefined) throw noKeep('--store was given without --keep');
  return prune({ store, cluster, keep: given, named: [], clock }, options, terminal);
}

async function prune(subject: Subject, options: BackupPruneOptions, terminal: Terminal): Promise<number> {
  const isJson = options.format === 'json';
  if (options.dryRun === true) {
    const verdicts = await judgeStore(subject);
    terminal.out(isJson ? json(true, verdicts) : verdictTable(verdicts, subject.clock.now()));
    return exitCodes.done;
  }
  const report = await pruneBackups({ ...subject, log: silentLogger, signal: stopSignal() });
  terminal.out(isJson ? json(false, report.verdicts, report) : reportText(report));
  for (const { name, error } of report.failed) terminal.err(`error: ${name} could not be deleted: ${error}\n`);
  if (report.left > 0) terminal.err(`error: ${report.left} more were not tried\n`);
  return report.failed.length === 0 && report.left === 0 ? exitCodes.done : exitCodes.error;
}

function verdictTable(verdicts: readonly RetentionVerdict[], nowMs: number): string {
  if (verdicts.length === 0) return 'No backups.\n';
  const rows = verdicts.map(({ name, verdict, reasons }) => {
    const ageMs = nowMs - (timeOfName(name) ?? nowMs);
    return [name, ageMs <= 0 ? '-' : formatDuration(ageMs), verdict, reasons.join('; ')];
  });
  const doomed = verdicts.filter(({ verdict }) => verdict === 'delete').length;
  const table = renderTable(['NAME', 'AGE', 'VERDICT', 'WHY'], rows);
  return `${table}\n${doomed} of ${verdicts.length} would be deleted.\n`;
}

function reportText({ verdicts, deleted, historyDeleted }: PruneReport): string {
  const reasons = new Map(verdicts.map((verdict) => [verdict.name, verdict.reasons]));
  const lines = deleted.map((name) => `deleted ${name}: ${(reasons.get(name) ?? []).join('; ')}\n`);
  const history = historyDeleted === 0 ? '' : ` Old records of runs and drills deleted: ${historyDeleted}.`;
  return `${lines.join('')}${deleted.length} of ${counted(verdicts.length, 'backup')} deleted.${history}\n`;
}

/** Stable. `deleted` is empty, and `failed` too, in a dry run. */
function json(isDryRun: boolean, verdicts: readonly RetentionVerdict[], report?: PruneReport): string {
  const { deleted = [], failed = [], left = 0, historyDeleted = 0 } = report ?? {};
  const value = { formatVersion: '1.0', dryRun: isDryRun, backups: verdicts, deleted, failed, left, historyDeleted };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

const kinds = ['last', 'hourly', 'daily', 'weekly'] as const;

/** `last=24,hourly=48,daily=14,weekly=8`; what is left out is 0, and `last` is never less than 1. Throws `keep-invalid`. */
export function parseKeep(text: string): KeepSpec {
  const keep = { last: 0, hourly: 0, daily: 0, weekly: 0 };
  const seen = new Set<string>();
  for (const part of text.split(',')) {
    const [, name = '', digits = ''] = /^([a-z]+)=([0-9]{1,5})$/.exec(part.trim()) ?? [];
    const kind = kinds.find((candidate) => candidate === name);
    if (kind === undefined || seen.has(kind) || Number(digits) > 10_000)
      throw invalid(
        'keep-invalid',
        `--keep ${text.slice(0, 200)} cannot be read at ${JSON.stringify(part.slice(0, 50))}`,
      );
    seen.add(kind);
    keep[kind] = Number(digits);
  }
  if (keep.last < 1) throw invalid('keep-invalid', '--keep needs last=1 at least, so that something always stays');
  return keep;
}

function noKeep(seen: string): QuorateError {
  return invalid('keep-missing', seen);
}

function invalid(code: string, summary: string): QuorateError {
  return new QuorateError({
    code,
    kind: 'invalid',
    operation: 'quorate backup prune',
    summary,
    remedy: 'For example: --store file:///var/backups/etcd --cluster orders --keep last=24,hourly=48,daily=14,weekly=8',
  });
}
