import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { userCacheDir } from '../../src/etcd/binaries/cache-dir.ts';
import type { BinarySourceName } from '../../src/etcd/binaries/source.ts';
import { isBinarySource } from '../../src/etcd/binaries/source.ts';
import type { Binaries } from '../../src/etcd/binaries.ts';
import { createBinaries } from '../../src/etcd/binaries.ts';
import wanted from './releases.json' with { type: 'json' };

/** Minors of etcd that tests run on. */
export type Minor = 'v34' | 'v35' | 'v36';

/** The releases in the user's cache, and all sources for those that are not there. */
export async function testBinaries(): Promise<Binaries> {
  return await fetchingBinaries(['debian', 'go', 'release']);
}

export async function fetchingBinaries(
  sources: readonly string[],
  progress?: (line: string) => void,
): Promise<Binaries> {
  return createBinaries({
    dirs: [],
    sources: sources.filter((name): name is BinarySourceName => isBinarySource(name)),
    cacheDir: await userCacheDir(process.env),
    clock: systemClock,
    log: silentLogger,
    progress,
  });
}

/**
 * The version of each minor that is at hand without fetching; null: not there. Looked at once, when a test file is
 * loaded, so that `describe.skipIf(skipReason('v36') !== undefined)` can be written.
 */
export const releases: Readonly<Record<Minor, string | null>> = await lookForReleases();

async function lookForReleases(): Promise<Record<Minor, string | null>> {
  const atHand = new Set((await (await testBinaries()).list()).map((fact) => fact.version));
  const look = (minor: Minor): string | null => {
    const { version } = wanted.tests[minor];
    return atHand.has(version) ? version : null;
  };
  return { v34: look('v34'), v35: look('v35'), v36: look('v36') };
}

/** Why tests on this minor cannot run here; undefined when they can, and in CI, where they must. */
export function skipReason(minor: Minor): string | undefined {
  if (releases[minor] !== null || isCi()) return undefined;
  return `${missing(minor)}; \`node test/support/ready.mjs --binaries\` says why it cannot be fetched`;
}

/** The version of a minor, for use inside a test; throws when it is missing, which in CI is what has to happen. */
export function requireRelease(minor: Minor): string {
  const version = releases[minor];
  if (version === null) throw new Error(`${missing(minor)}, and this test needs it`);
  return version;
}

function missing(minor: Minor): string {
  return `etcd ${wanted.tests[minor].version} is not at hand`;
}

function isCi(): boolean {
  return !['', '0', 'false'].includes(process.env['CI'] ?? '');
}
