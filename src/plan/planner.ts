import { digestOf } from '../base/canonical.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { withBackup } from './backup.ts';
import { planBootstrap, planComeback } from './bootstrap.ts';
import { planCertificates } from './certificates.ts';
import { Draft } from './draft.ts';
import { fingerprintOf } from './fingerprint.ts';
import { planFlags } from './flags.ts';
import { gate } from './health.ts';
import { planIdentity } from './identity.ts';
import { planLeftovers } from './leftovers.ts';
import { planMembership } from './membership.ts';
import type { Plan } from './plan.ts';
import { planRepair } from './repair.ts';
import { planRestore } from './restore.ts';
import { planVersion } from './version.ts';
import { type ClusterView, clusterViewOf, viewOf } from './view.ts';

/**
 * One subject of planning. It reads the view and adds to the draft. `stop`: nothing that comes later
 * in the list may be planned before what was found here is dealt with.
 */
export type Concern = (view: ClusterView, draft: Draft) => 'continue' | 'stop';

/** What may be done while a member is sick, and beside a refused change, in this order. */
const repairs: readonly Concern[] = [planCertificates, planRepair];
/** What needs a healthy cluster, in the order of the steps in a plan. */
const changes: readonly Concern[] = [planVersion, planFlags, planMembership, planLeftovers];

/** Pure: the same spec and the same live state give the same bytes. Time comes with the live state. */
export function plan(spec: ClusterSpec, live: LiveState, commit: string): Plan {
  const draft = new Draft();
  let isBlocked = false;
  const view = viewOf(spec, live, commit);
  const restore = planRestore(view, draft);
  if (restore === 'planned') return seal(spec, live, commit, draft, false);
  if (!live.etcd.known) {
    // What is there comes back beside a restore that is not allowed yet; nothing else is planned then.
    if (restore === 'held') planComeback(view, draft);
    else planBootstrap(view, live.etcd.reason, draft);
  } else {
    const clusterView = clusterViewOf(view, live.etcd.value);
    // Who the cluster is comes before everything; what else is refused stops only the changes.
    isBlocked = planIdentity(clusterView, draft) === 'stop';
    if (!isBlocked && run(repairs, clusterView, draft) === 'continue' && restore === 'none') {
      const pending = new Draft();
      run(changes, clusterView, pending);
      gate(clusterView, pending, draft);
    }
  }
  return seal(spec, live, commit, draft, isBlocked);
}

function run(concerns: readonly Concern[], view: ClusterView, draft: Draft): 'continue' | 'stop' {
  for (const concern of concerns) if (concern(view, draft) === 'stop') return 'stop';
  return 'continue';
}

function seal(spec: ClusterSpec, live: LiveState, commit: string, draft: Draft, isBlocked: boolean): Plan {
  // What is refused is not shown as if it were to come.
  const steps = isBlocked ? [] : withBackup(live, draft.steps);
  const fingerprint = fingerprintOf(spec, live);
  return {
    formatVersion: '1.0',
    cluster: spec.name,
    commit,
    digest: digestOf({ steps, fingerprint }),
    fingerprint,
    applyable: steps.length > 0,
    changes: draft.changes,
    steps,
    refusals: draft.refusals,
    waits: draft.waits,
    warnings: draft.warnings,
  };
}
