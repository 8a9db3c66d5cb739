import { isHealthy, isServing, type LiveState } from '../observe/live-state.ts';
import type { Action, Step } from './plan.ts';

/**
 * Steps that change nothing inside etcd need no backup before them: starting a member on its own
 * data, and swapping a leaf that etcd reads at its next handshake. A bootstrap from empty has nothing to back up.
 */
export const actionsWithoutBackup: ReadonlySet<Action> = new Set([
  'backup',
  'bootstrap-cluster',
  'start-member',
  'issue-certificate',
  // It lets clients in to what was just restored.
  'release',
]);

/** A restore takes a backup first of what it replaces, while that is alive; what is lost cannot be backed up. */
function needsBackup(live: LiveState, { action, detail }: Step): boolean {
  if (action === 'restore-cluster') return live.etcd.known && live.etcd.value.clusterId === detail.replaces;
  return !actionsWithoutBackup.has(action);
}

/** Puts the verified backup in front of the first step that needs one. Numbers the steps anew. */
export function withBackup(live: LiveState, steps: readonly Step[]): readonly Step[] {
  const first = steps.findIndex((step) => needsBackup(live, step));
  if (first === -1) return steps;
  const backup: Step = {
    id: '',
    action: 'backup',
    target: backupSource(live) ?? live.cluster,
    reason: 'before-change',
    risk: 'none',
    requires: ['member-healthy'],
    ensures: ['backup-verified'],
    detail: {},
  };
  return [...steps.slice(0, first), backup, ...steps.slice(first)].map((step, index) => ({
    ...step,
    id: String(index + 1),
  }));
}

/** Host to read the snapshot from: a healthy follower, to spare the leader; else the leader. */
export function backupSource(live: LiveState): string | null {
  if (!live.etcd.known) return null;
  const { members, leaderId } = live.etcd.value;
  const voters = members.filter((member) => !member.isLearner && member.host !== null);
  // Under an alarm nobody is healthy; a backup is what must still be possible then.
  const well = voters.filter(isHealthy);
  const healthy = well.length > 0 ? well : voters.filter(isServing);
  return (healthy.find((member) => member.id !== leaderId) ?? healthy[0])?.host ?? null;
}
