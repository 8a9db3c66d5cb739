import type { RecordedRestore } from '../../../src/backup/store.ts';
import type { LiveState } from '../../../src/observe/live-state.ts';
import type { StepDetail } from '../../../src/plan/plan.ts';
import { all, backup, hasBackup, step } from './guard-case.ts';
import { type Change, latched, recorded, withData } from './live-changes.ts';

/** The cluster that was lost, where none runs. */
export const lost = 'f0f0';
/** What the restore makes of the backup. */
export const forming = 'c0c0';

export const clusterOf = (live: LiveState): string => (live.etcd.known ? live.etcd.value.clusterId : lost);

const detail: StepDetail = {
  bootstrapId: 'again',
  token: 'orders-again',
  initialCluster: 'a=https://10.0.0.11:2380,b=https://10.0.0.12:2380,c=https://10.0.0.13:2380',
  backup: backup.name,
  bumpRevision: 1_000_000,
  hosts: { a: {}, b: {}, c: {} },
};
export const restore = (more: StepDetail = {}) => step('restore-cluster', 'orders', { detail: { ...detail, ...more } });
/** In the place of the cluster that runs, or of the one that was lost. */
export const replacing =
  (more: StepDetail = {}) =>
  (live: LiveState) =>
    restore({ replaces: clusterOf(live), ...more });
export const release = (more: StepDetail = {}) => step('release', 'orders', { detail: { ...detail, ...more } });

const begun: RecordedRestore = {
  type: 'restore',
  bootstrapId: 'again',
  token: 'orders-again',
  initialCluster: detail.initialCluster ?? '',
  hosts: ['a', 'b', 'c'],
  backup: backup.name,
  version: '3.5.33',
  bumpRevision: 1_000_000,
  replaces: lost,
  commit: 'c0ffee0',
  startedAtMs: 1,
};
/** The restore is on record, as it is from before the first stop until the release. */
export const marked =
  (more: Partial<RecordedRestore> = {}): Change =>
  (live) =>
    recorded({ clusterId: null, bootstrapIds: ['first', 'again'], operation: { ...begun, ...more } })(live);
export const markedOver: Change = (live) => marked({ replaces: clusterOf(live) })(live);
export const listed: Change = hasBackup;
export const remembered: Change = all(hasBackup, recorded({ clusterId: lost, bootstrapIds: ['first'] }));
/** Hosts that hold what the restore has put there. */
export const restored = (...names: readonly string[]): Change =>
  all(...names.flatMap((name) => [withData(name, forming), latched(name, forming, 'again')]));
export const latchedToRunning =
  (bootstrapId: string | undefined, ...names: readonly string[]): Change =>
  (live) =>
    all(...names.map((name) => latched(name, clusterOf(live), bootstrapId)))(live);

export const words = { bootstrap: { id: 'again', backup: backup.name } };
export const givingUp = (discardData: string, more: object = {}) => ({
  bootstrap: { id: 'again', backup: backup.name, discardData, ...more },
});
export const fresh = { from: 'nothing', backup: null, step: replacing(), spec: words } as const;
