// Generated from schemas/status.v1.json by npm run generate. Do not edit.

/**
 * The state of all clusters, as quorate status --format json prints it.
 */
export interface StatusDocument {
  /**
   * Version of this format.
   */
  readonly formatVersion: '1.0';
  readonly source: SourceStatus;
  /**
   * Findings in the newest commit that belong to no known cluster.
   */
  readonly diagnostics: readonly DiagnosticDocument[];
  /**
   * Sorted by name.
   */
  readonly clusters: readonly ClusterStatus[];
}
/**
 * What was read from Git.
 */
export interface SourceStatus {
  /**
   * Branch or tag that is followed.
   */
  readonly ref: string;
  /**
   * Newest commit that was read; null before the first.
   */
  readonly commit: string | null;
  /**
   * Why the repository could not be read; null when it could.
   */
  readonly error: string | null;
}
export interface DiagnosticDocument {
  /**
   * Errors keep a spec from being used.
   */
  readonly severity: 'error' | 'warning';
  /**
   * Stable, kebab-case.
   */
  readonly code: string;
  /**
   * What class of thing is wrong.
   */
  readonly summary: string;
  /**
   * What was found, what is allowed, and the nearest right thing.
   */
  readonly detail: string;
  /**
   * Path in the repository.
   */
  readonly file?: string | undefined;
  /**
   * 1-based.
   */
  readonly line?: number | undefined;
  /**
   * 1-based.
   */
  readonly column?: number | undefined;
  /**
   * JSON Pointer into the document.
   */
  readonly path?: string | undefined;
}
export interface ClusterStatus {
  /**
   * Name of the cluster.
   */
  readonly name: string;
  /**
   * The cluster in one word.
   */
  readonly phase: 'Converged' | 'Reconciling' | 'Refused' | 'Degraded' | 'Lost' | 'Suspended' | 'Orphaned' | 'Fighting';
  /**
   * Commit of the spec in force; null when there is none.
   */
  readonly commit: string | null;
  /**
   * Hexadecimal; null while unknown.
   */
  readonly clusterId: string | null;
  /**
   * Declared etcd version; null without a spec.
   */
  readonly version: string | null;
  /**
   * Sorted by host, then id.
   */
  readonly members: readonly MemberStatus[];
  /**
   * One per type.
   */
  readonly conditions: readonly ConditionStatus[];
  /**
   * Newest backup; null when there is none.
   */
  readonly lastBackup: BackupStatus | null;
  /**
   * Newest backup that was restored for proof; null when there was none.
   */
  readonly lastDrill: DrillStatus | null;
  /**
   * Leaves of the members, sorted by host, then domain.
   */
  readonly certificates: readonly CertificateStatus[];
  /**
   * Newest run; null when there was none.
   */
  readonly lastRun: RunStatus | null;
  /**
   * Findings in the file of this cluster at the newest commit.
   */
  readonly diagnostics: readonly DiagnosticDocument[];
}
export interface MemberStatus {
  /**
   * Host that it runs on; null when it is none of ours.
   */
  readonly host: string | null;
  /**
   * Hexadecimal.
   */
  readonly id: string;
  /**
   * Its part in the cluster.
   */
  readonly role: 'leader' | 'follower' | 'learner';
  /**
   * It answered its health check.
   */
  readonly healthy: boolean;
  /**
   * etcd version that it runs; null when it did not answer.
   */
  readonly version: string | null;
  /**
   * Size of its database; null when it did not answer.
   */
  readonly dbSizeBytes: number | null;
  /**
   * Revision of its data; null when it did not answer.
   */
  readonly revision: number | null;
}
export interface ConditionStatus {
  /**
   * CamelCase, for example Ready.
   */
  readonly type: string;
  /**
   * Whether it holds.
   */
  readonly status: 'True' | 'False' | 'Unknown';
  /**
   * CamelCase or kebab-case, stable.
   */
  readonly reason: string;
  /**
   * Text for people.
   */
  readonly message: string;
  /**
   * When the status last changed. Milliseconds since the Unix epoch.
   */
  readonly sinceMs: number;
}
export interface BackupStatus {
  /**
   * Name of the backup.
   */
  readonly name: string;
  /**
   * When it was taken, UTC.
   */
  readonly at: string;
  /**
   * It was read back and its hash matched.
   */
  readonly verified: boolean;
  /**
   * How long ago it was taken, milliseconds.
   */
  readonly ageMs: number;
  /**
   * What it takes in the store; null when it was never verified.
   */
  readonly sizeBytes: number | null;
  /**
   * Size of the database in it; null when it was never verified.
   */
  readonly dbSizeBytes: number | null;
  /**
   * Revision of the data in it; null when it was never verified.
   */
  readonly revision: number | null;
  /**
   * When it was last seen that nothing had been written since; null: not since it was taken.
   */
  readonly checkedAt: string | null;
}
export interface DrillStatus {
  /**
   * Name of the backup.
   */
  readonly backup: string;
  /**
   * When it ended, UTC.
   */
  readonly at: string;
  /**
   * impossible: something that says nothing about the backup stood in the way.
   */
  readonly outcome: 'passed' | 'failed' | 'impossible';
  /**
   * Text for people; null when it passed.
   */
  readonly problem: string | null;
}
export interface CertificateStatus {
  /**
   * Host that holds it.
   */
  readonly host: string;
  /**
   * The kind of traffic that it protects.
   */
  readonly domain: 'peer' | 'client';
  /**
   * SHA-256 of the DER, hexadecimal.
   */
  readonly fingerprint: string;
  /**
   * Subject of the authority that signed it.
   */
  readonly issuer: string;
  /**
   * When it ends. Milliseconds since the Unix epoch.
   */
  readonly notAfterMs: number;
}
export interface RunStatus {
  /**
   * Id of the run.
   */
  readonly id: string;
  /**
   * Commit that was applied.
   */
  readonly commit: string;
  /**
   * Digest of the plan.
   */
  readonly digest: string;
  /**
   * stopped: ended early between two steps, on request or because the lease was lost.
   */
  readonly outcome: 'running' | 'succeeded' | 'failed' | 'stopped';
  /**
   * When it began. Milliseconds since the Unix epoch.
   */
  readonly startedAtMs: number;
  /**
   * When it ended, milliseconds since the Unix epoch; null while it runs.
   */
  readonly endedAtMs: number | null;
  /**
   * Text for people: what was done, or why it failed.
   */
  readonly summary: string;
}
