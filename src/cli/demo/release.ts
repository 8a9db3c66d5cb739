import type { Clock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { createBinaries } from '../../etcd/binaries.ts';
import { assessRelease, hasLearners } from '../../etcd/releases.ts';
import type { BinarySettings } from '../binaries.ts';
import { defaultVersion } from '../init.ts';

export interface ReleaseChoice {
  readonly settings: BinarySettings;
  readonly clock: Clock;
  /** Wanted by name; default the best at hand. */
  readonly version: string | undefined;
  /** Lines for people while something is fetched. */
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Makes a release ready and gives its version: the wanted one, else the newest at hand without known
 * defects, else the newest at hand that loses no data, else the one that `quorate init` would name.
 */
export async function readyRelease({ settings, clock, version, progress, signal }: ReleaseChoice): Promise<string> {
  const binaries = createBinaries({ ...settings, clock, log: silentLogger, progress });
  const atHand = version === undefined ? (await binaries.list()).map((fact) => fact.version) : [];
  const fit = atHand.filter((candidate) => hasLearners(candidate) && severityOf(candidate) !== 'data-loss');
  const best = fit.find((candidate) => severityOf(candidate) === 'none') ?? fit[0];
  const chosen = version ?? best ?? defaultVersion;
  // One that loses data is refused by `init`, so it need not be fetched for that.
  if (severityOf(chosen) !== 'data-loss') await binaries.ensure(chosen, signal);
  return chosen;
}

function severityOf(version: string): string {
  return assessRelease(version).severity;
}
