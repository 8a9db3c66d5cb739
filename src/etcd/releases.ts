import semver from 'semver';

/** The newest patch of each minor that these tables were reviewed against (July 2026). Newer patches are accepted. */
export const latestPatches: Readonly<Record<string, string>> = {
  '3.4': '3.4.45',
  '3.5': '3.5.33',
  '3.6': '3.6.14',
  '3.7': '3.7.1',
};

/**
 * How bad a release is to run:
 * - `data-loss`: acknowledged writes can vanish, or members can come to hold different data
 * - `defect`: etcd can crash, or answer wrongly under circumstances that can be avoided
 * - `advisory`: a published security advisory
 */
export type DefectSeverity = 'data-loss' | 'defect' | 'advisory';

export interface ReleaseDefect {
  /** A semver range of the releases that have it. */
  readonly affected: string;
  readonly severity: DefectSeverity;
  readonly why: string;
  /** Fixed releases by minor; a minor that is absent has no fixed release, or never had the defect. */
  readonly fixedIn: Readonly<Record<string, string>>;
}

/** From the changelogs and the security advisories of etcd. */
export const releaseDefects: readonly ReleaseDefect[] = [
  {
    affected: '<3.3.19 || >=3.4.0 <3.4.4',
    severity: 'data-loss',
    why: 'defragmentation can corrupt the database',
    fixedIn: { '3.3': '3.3.19', '3.4': '3.4.4' },
  },
  {
    affected: '<3.3.21 || >=3.4.0 <3.4.8',
    severity: 'data-loss',
    why: 'the consistent index can be saved wrongly, so that entries are applied twice or not at all after a restart',
    fixedIn: { '3.3': '3.3.21', '3.4': '3.4.8' },
  },
  {
    affected: '<3.4.21 || >=3.5.0 <3.5.5',
    severity: 'data-loss',
    why: 'a cluster of one member can lose an acknowledged write when it crashes',
    fixedIn: { '3.4': '3.4.21', '3.5': '3.5.5' },
  },
  {
    affected: '>=3.5.0 <3.5.3',
    severity: 'data-loss',
    why: 'members can hold different data after a crash, and one member alone cannot notice',
    // 3.5.3 has the fix, 3.5.4 mends a regression that came with it.
    fixedIn: { '3.5': '3.5.4' },
  },
  {
    affected: '>=3.5.0 <3.5.6',
    severity: 'defect',
    why: 'a crash during defragmentation can leave the database behind the log',
    fixedIn: { '3.5': '3.5.6' },
  },
  {
    affected: '<3.4.32 || >=3.5.0 <3.5.14',
    severity: 'defect',
    why: 'the revision can go back after a panic in compaction',
    fixedIn: { '3.4': '3.4.32', '3.5': '3.5.14' },
  },
  {
    affected: '<3.5.17',
    severity: 'defect',
    why: 'a write transaction that fails half-way can be applied in part',
    fixedIn: { '3.5': '3.5.17' },
  },
  {
    affected: '<3.4.38 || >=3.5.0 <3.5.23 || >=3.6.0 <3.6.5',
    severity: 'defect',
    why: 'applying a snapshot while the database is defragmented corrupts it',
    fixedIn: { '3.4': '3.4.38', '3.5': '3.5.23', '3.6': '3.6.5' },
  },
  {
    affected: '<3.5.28 || >=3.6.0 <3.6.9',
    severity: 'defect',
    why: 'a linearizable read can give stale data',
    fixedIn: { '3.5': '3.5.28', '3.6': '3.6.9' },
  },
  {
    affected: '<3.5.32 || >=3.6.0 <3.6.13 || >=3.7.0-0 <3.7.0',
    severity: 'advisory',
    why: 'revoked client certificates are accepted when HTTP has a listener of its own (GHSA-3wh4-j44w-pg92)',
    fixedIn: { '3.5': '3.5.32', '3.6': '3.6.13', '3.7': '3.7.0' },
  },
  {
    affected: '<3.5.33 || >=3.6.0 <3.6.14 || >=3.7.0 <3.7.1',
    severity: 'advisory',
    why: 'a TLS handshake without a time-out lets a client hold connections (GHSA-6vch-q96h-7gc3)',
    fixedIn: { '3.5': '3.5.33', '3.6': '3.6.14', '3.7': '3.7.1' },
  },
];

export interface ReleaseFinding {
  readonly why: string;
  /** The first good release of the same minor, else of the nearest later minor. */
  readonly fixedIn: string;
}

export interface ReleaseAssessment {
  /** `data-loss` has to be accepted in words; `warning` is shown in the plan. */
  readonly severity: 'none' | 'warning' | 'data-loss';
  readonly findings: readonly ReleaseFinding[];
}

/** What is known to be wrong with a release, the worst first. */
export function assessRelease(version: string): ReleaseAssessment {
  const hits = releaseDefects
    .filter((defect) => semver.satisfies(version, defect.affected, { includePrerelease: true }))
    .toSorted((a, b) => Number(b.severity === 'data-loss') - Number(a.severity === 'data-loss'));
  const findings = hits.map((defect) => ({ why: defect.why, fixedIn: nearestFix(version, defect) }));
  if (findings.length === 0) return { severity: 'none', findings };
  return { severity: hits.some((defect) => defect.severity === 'data-loss') ? 'data-loss' : 'warning', findings };
}

function nearestFix(version: string, defect: ReleaseDefect): string {
  const fixes = Object.values(defect.fixedIn).toSorted(compareVersions);
  return fixes.find((fix) => compareVersions(fix, version) > 0) ?? fixes.at(-1) ?? '';
}

/** Negative when `a` is older than `b`, 0 when equal, positive when newer. Both are `major.minor.patch`. */
export function compareVersions(a: string, b: string): number {
  return semver.compare(a, b);
}

/** `3.5.33` → `3.5`. */
export function minorOf(version: string): string {
  return `${semver.major(version)}.${semver.minor(version)}`;
}

/** Members can join without a vote from 3.4 on. */
export function hasLearners(version: string): boolean {
  return semver.gte(version, '3.4.0');
}

/** Corruption checks and renamed options are feature gates and plain flags from 3.6 on. */
export function hasFeatureGates(version: string): boolean {
  return semver.gte(version, '3.6.0');
}

/** First patch of each minor that has `/livez` and `/readyz`; later minors have them from the start. */
const readyzSince: Readonly<Record<string, string>> = { '3.4': '3.4.29', '3.5': '3.5.11' };

/** The HTTP path that tells whether a member can serve: `/readyz` where the release has it, else `/health`. */
export function readinessPath(version: string): '/readyz' | '/health' {
  const since = readyzSince[minorOf(version)] ?? '3.6.0';
  return compareVersions(version, since) >= 0 ? '/readyz' : '/health';
}

/** Whether the release's own tool restores with raised revisions (etcdctl 3.4.27, etcdutl 3.5.10 and everything later). */
export function canBumpRevision(version: string): boolean {
  return semver.satisfies(version, '>=3.4.27 <3.5.0 || >=3.5.10');
}
