import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import type { Logger } from '../base/log.ts';
import { userCacheDir } from '../etcd/binaries/cache-dir.ts';
import { binarySources } from '../etcd/binaries/source.ts';
import type { BinariesOptions, BinaryFact } from '../etcd/binaries.ts';
import { createBinaries } from '../etcd/binaries.ts';

export type BinarySettings = Pick<BinariesOptions, 'dirs' | 'sources' | 'cacheDir' | 'releaseUrl'>;

export interface BinariesCommand {
  readonly settings: BinarySettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly format: 'text' | 'json';
  /** Gets whole lines, with their newline. */
  readonly print: (text: string) => void;
  /** For progress; standard error. */
  readonly printNotice: (text: string) => void;
}

/** What holds without an agent's configuration: `/opt`, every source, the user's own cache (which is made). */
export async function defaultBinarySettings(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<BinarySettings> {
  return { dirs: ['/opt'], sources: binarySources, cacheDir: await userCacheDir(environment) };
}

/** `quorate binaries list`: what can be started without fetching. Gives exit code 0. */
export async function listBinaries(command: BinariesCommand): Promise<number> {
  const facts = await createBinaries({ ...command.settings, clock: command.clock, log: command.log }).list();
  if (command.format === 'json') command.print(`${JSON.stringify({ binaries: facts }, null, 2)}\n`);
  else command.print(binaryTable(facts));
  return 0;
}

/**
 * `quorate binaries fetch VERSION`: makes a release ready and says where it is. Gives exit code 0; throws
 * `version-malformed`, `binary-unavailable`, `disk-full`, or the signal's reason.
 */
export async function fetchBinary(command: BinariesCommand, version: string, signal?: AbortSignal): Promise<number> {
  const { clock, log, format, print, printNotice, settings } = command;
  const startedMs = clock.monotonic();
  const binaries = createBinaries({ ...settings, clock, log, progress: (line) => printNotice(`${line}\n`) });
  const binary = await binaries.ensure(version, signal);
  if (format === 'json') {
    print(`${JSON.stringify(binary, null, 2)}\n`);
    return 0;
  }
  printNotice(`etcd ${version} is ready after ${formatDuration(clock.monotonic() - startedMs)} (${binary.source})\n`);
  for (const path of [binary.etcd, binary.etcdctl, binary.etcdutl]) if (path !== null) print(`${path}\n`);
  return 0;
}

/** Newest first, one line each. */
export function binaryTable(facts: readonly BinaryFact[]): string {
  if (facts.length === 0) return 'No etcd at hand. `quorate binaries fetch VERSION` gets one.\n';
  const rows = [['VERSION', 'SOURCE', 'PATH'], ...facts.map(({ version, source, path }) => [version, source, path])];
  const width = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = [width(0), width(1), 0];
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}\n`).join('');
}
