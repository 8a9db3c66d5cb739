import { QuorateError } from '../../base/errors.ts';
import { assessRelease, compareVersions, latestPatches, minorOf } from '../../etcd/releases.ts';

export interface FoundVersion {
  readonly version: string;
  readonly warnings: readonly string[];
}

const oldestMinor = '3.4';

/**
 * Release for the spec of a cluster that is moved: the chosen one; else that of etcd-manager's cluster spec, or of
 * the newest backup where that is newer, since a release reads the databases of its own minor and of older ones. One
 * that can lose data, or that is older than what Quorate runs, gives way to the newest patch that can take its place.
 * Throws `store-version-unusable`.
 */
export function foundVersion(declared: string | null, newestBackup: string, chosen: string | undefined): FoundVersion {
  for (const version of [declared, newestBackup]) if (version !== null) checkIsThree(version);
  const found = declared === null || compareVersions(newestBackup, declared) > 0 ? newestBackup : declared;
  if (chosen !== undefined) {
    const isTooOld = compareVersions(`${minorOf(chosen)}.0`, `${minorOf(newestBackup)}.0`) < 0;
    return {
      version: chosen,
      warnings: isTooOld ? [`etcd ${chosen} cannot read the newest backup, which is of etcd ${newestBackup}.`] : [],
    };
  }
  const minor = minorOf(found);
  const newest = Object.values(latestPatches).toSorted(compareVersions).at(-1) ?? found;
  if (compareVersions(`${minor}.0`, `${minorOf(newest)}.0`) > 0) {
    throw unusable(
      `the store is of etcd ${found}, and this release of Quorate knows releases up to ${minorOf(newest)}`,
      'Use a newer release of Quorate.',
    );
  }
  if (compareVersions(found, `${oldestMinor}.0`) < 0) {
    const version = latestPatches[oldestMinor] ?? `${oldestMinor}.0`;
    return {
      version,
      warnings: [
        `etcd ${found} is not supported: Quorate runs ${oldestMinor} and later. The spec says ${version}, which reads databases of older minors; restore a backup by hand first to see that it does.`,
      ],
    };
  }
  const { severity, findings } = assessRelease(found);
  const [worst] = findings;
  if (severity === 'data-loss' && worst !== undefined) {
    const version = latestPatches[minor] ?? worst.fixedIn;
    return {
      version,
      warnings: [`etcd ${found} can lose data: ${worst.why} (fixed in ${worst.fixedIn}). The spec says ${version}.`],
    };
  }
  const known = findings.map(({ why, fixedIn }) => `etcd ${found} has a known defect: ${why} (fixed in ${fixedIn}).`);
  return { version: found, warnings: known };
}

function checkIsThree(version: string): void {
  if (/^3\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]{0,2})$/.test(version)) return;
  throw unusable(
    `the store is of etcd ${version}, which is no release of etcd 3; backups of etcd 2 are no snapshots`,
    'Let etcd-manager bring the cluster to a release of etcd 3 and take a backup, then run this again.',
  );
}

function unusable(summary: string, remedy: string): QuorateError {
  const operation = 'choose the release for the spec';
  return new QuorateError({ code: 'store-version-unusable', kind: 'invalid', operation, summary, remedy });
}
