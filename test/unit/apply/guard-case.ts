import type { GuardInput } from '../../../src/apply/guard-input.ts';
import { known } from '../../../src/base/observation.ts';
import type { LiveState } from '../../../src/observe/live-state.ts';
import type { Step } from '../../../src/plan/plan.ts';
import type { ShortSpec } from '../../support/model/model-spec.ts';
import type { Change } from './live-changes.ts';

export interface GuardCase {
  /** `allowed`, or the code that it is refused with. */
  readonly code: string;
  readonly what: string;
  /** Left out: three members run on a, b and c, and a leads. */
  readonly from?: 'nothing' | 'single';
  readonly change: Change;
  readonly step: Step | ((live: LiveState) => Step);
  /** A function where the words name the cluster that runs. */
  readonly spec?: Partial<ShortSpec> | ((live: LiveState) => Partial<ShortSpec>);
  /** Left out: a verified backup of the running cluster was taken in this run. */
  readonly backup?: GuardInput['backup'];
  /** Left out: newer than any that an agent has seen. */
  readonly epoch?: number;
}

export function step(action: Step['action'], target: string, more: Partial<Step> = {}): Step {
  return { id: '1', action, target, reason: 'test', risk: 'none', requires: [], ensures: [], detail: {}, ...more };
}

function memberId(live: LiveState, host: string): string {
  const members = live.etcd.known ? live.etcd.value.members : [];
  return members.find((member) => member.host === host)?.id ?? '';
}

export const remove = (host: string) => (live: LiveState) =>
  step('remove-member', host, { detail: { memberId: memberId(live, host) } });
export const add = (host: string, peerUrl = `https://10.0.0.${host === 'd' ? 14 : 15}:2380`) =>
  step('add-learner', host, { detail: { peerUrl } });
const words = { bootstrapId: 'first', token: 'token', initialCluster: 'a=https://10.0.0.11:2380' };
export const bootstrap = step('bootstrap-cluster', 'orders', { detail: words });
export const declared: Partial<ShortSpec> = { bootstrap: 'first' };
export const operation = {
  type: 'bootstrap' as const,
  ...words,
  hosts: ['a'],
  discardData: null,
  commit: 'c0ffee0',
  startedAtMs: 1,
};
export const backup = {
  name: '2026-11-20T12:00:00Z-000000',
  takenAtMs: 1,
  etcdVersion: '3.5.33',
  memberCount: 3,
};
export const hasBackup: Change = (live) => ({ ...live, backups: known([backup]) });
/** Several changes, one after the other. */
export const all =
  (...changes: readonly Change[]): Change =>
  (live) =>
    changes.reduce((changed, change) => change(changed), live);
