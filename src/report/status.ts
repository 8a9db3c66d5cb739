import type { RunRecord } from '../backup/runs.ts';
import { formatTime } from '../base/clock.ts';
import type { Diagnostic } from '../base/diagnostics.ts';
import { redact } from '../base/redact.ts';
import { isHealthy } from '../observe/live-state.ts';
import { counted } from './shown.ts';
import type { ClusterStatus, DiagnosticDocument, RunStatus, SourceStatus, StatusDocument } from './status.generated.ts';
import { conditionsOf } from './status-conditions.ts';
import type { ClusterStatusInput } from './status-input.ts';
import { certificatesOf, clusterIdOf, lastBackupOf, lastDrillOf, membersOf } from './status-live.ts';

export type { StatusDocument } from './status.generated.ts';
export type { ClusterStatusInput } from './status-input.ts';

export interface StatusInput {
  readonly source: SourceStatus;
  /** Findings that belong to no known cluster. */
  readonly diagnostics: readonly Diagnostic[];
  readonly clusters: readonly ClusterStatus[];
}

/** `quorate status --format json`; valid against `schemas/status.v1.json`. */
export function statusDocument({ source, diagnostics, clusters }: StatusInput): StatusDocument {
  return {
    formatVersion: '1.0',
    source: { ...source, error: source.error === null ? null : redact(source.error) },
    diagnostics: diagnostics.map(diagnosticDocument),
    clusters: clusters.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

export function clusterStatus(input: ClusterStatusInput): ClusterStatus {
  const { live, spec } = input;
  const phase = phaseOf(input);
  return {
    name: input.name,
    phase,
    commit: spec === undefined ? null : input.commit,
    clusterId: live === undefined ? null : clusterIdOf(live),
    version: spec?.version ?? null,
    members: live === undefined ? [] : membersOf(live),
    conditions: conditionsOf(input, phase),
    lastBackup: live === undefined ? null : lastBackupOf(live, input.backups),
    lastDrill: lastDrillOf(input.backups),
    certificates: live === undefined ? [] : certificatesOf(live),
    lastRun: input.lastRun === undefined ? null : runStatus(input.lastRun),
    diagnostics: input.diagnostics.map(diagnosticDocument),
  };
}

/** The first that holds, from what a person decided through what needs one to what is well. */
function phaseOf({ isOrphaned, spec, loop, live, plan }: ClusterStatusInput): ClusterStatus['phase'] {
  if (isOrphaned) return 'Orphaned';
  // Nothing can be done with a cluster whose file was never readable.
  if (spec === undefined) return 'Refused';
  if (spec.suspend) return 'Suspended';
  if (loop?.result === 'fighting') return 'Fighting';
  if (plan?.refusals.some((refusal) => refusal.code === 'cluster-lost') === true) return 'Lost';
  if (plan !== undefined && plan.refusals.length > 0) return 'Refused';
  if (plan !== undefined && plan.steps.length > 0) return 'Reconciling';
  // Without a look nobody can say that all is well.
  if (plan === undefined || live === undefined || !live.etcd.known || plan.waits.length > 0) return 'Degraded';
  return live.etcd.value.members.every(isHealthy) ? 'Converged' : 'Degraded';
}

const runOutcomes: Readonly<Record<RunRecord['outcome'], RunStatus['outcome']>> = {
  done: 'succeeded',
  failed: 'failed',
  interrupted: 'stopped',
  superseded: 'stopped',
};

function runStatus(run: RunRecord): RunStatus {
  const done = run.steps.filter((step) => step.outcome === 'done').length;
  const why = run.error === undefined ? '' : `: ${redact(run.error.summary)}`;
  return {
    // The name that the record has in the store, without its ending.
    id: `${formatTime(run.startedAtMs)}-${run.commit.slice(0, 12)}`,
    commit: run.commit,
    digest: run.digest,
    outcome: runOutcomes[run.outcome],
    startedAtMs: run.startedAtMs,
    endedAtMs: run.endedAtMs,
    summary: `${counted(done, 'step')} done, ${run.outcome}${why}`,
  };
}

function diagnosticDocument(diagnostic: Diagnostic): DiagnosticDocument {
  const { severity, code, summary, detail, file, line, column, path } = diagnostic;
  return {
    severity,
    code,
    summary: redact(summary),
    detail: redact(detail),
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
    ...(path === undefined ? {} : { path }),
  };
}
