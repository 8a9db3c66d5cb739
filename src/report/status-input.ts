import type { RunRecord } from '../backup/runs.ts';
import type { DrillResult } from '../backup/store.ts';
import type { Diagnostic } from '../base/diagnostics.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Plan } from '../plan/plan.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/** What the controller's loop left behind about its last pass over a cluster. */
export interface LoopReport {
  readonly result: 'pass' | 'orphaned' | 'no-spec' | 'fighting' | 'held' | 'error';
  /** When this became so. */
  readonly atMs: number;
  readonly error: { readonly code: string; readonly summary: string; readonly remedy?: string | undefined } | null;
}

/** What the store tells of backups beside their list. */
export interface BackupReport {
  /** Up to when the cluster is known to be backed up, milliseconds since the epoch; undefined: never. */
  readonly coveredUntilMs: number | undefined;
  /** When it was last seen that nothing had been written since the newest backup. */
  readonly checkedAtMs: number | undefined;
  readonly lastDrill: DrillResult | undefined;
  /** Backups that were left out of the list, or no longer count as verified. */
  readonly damaged: readonly Diagnostic[];
}

export interface ClusterStatusInput {
  readonly name: string;
  /** Commit that the spec in force was read at. */
  readonly commit: string;
  /** Findings in its file at the newest commit. */
  readonly diagnostics: readonly Diagnostic[];
  readonly isOrphaned: boolean;
  /** Undefined: no controller has looked at it yet. */
  readonly loop: LoopReport | undefined;
  /** Undefined: there never was a readable spec. */
  readonly spec: ClusterSpec | undefined;
  readonly live?: LiveState | undefined;
  /** Undefined: the store could not be read. */
  readonly backups?: BackupReport | undefined;
  readonly plan?: Plan | undefined;
  readonly lastRun?: RunRecord | undefined;
}
