import type { Backup } from '../backup/store.ts';
import { formatTime } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { quarantinedFlags, releasedFlags } from '../etcd/flags.ts';
import { canBumpRevision } from '../etcd/releases.ts';
import type { HostSpec } from '../spec/cluster-spec.ts';
import type { Draft } from './draft.ts';
import type { StepDetail } from './plan.ts';
import { lastRevision } from './restore-source.ts';
import type { View } from './view.ts';

export interface Restore {
  readonly bootstrapId: string;
  readonly token: string;
  readonly initialCluster: string;
  readonly backup: string;
  readonly bumpRevision: number;
  readonly replaces: string | undefined;
}

interface RestoreOf {
  readonly reason: string;
  /** Undefined: no longer listed, but the hosts may have all that is needed of it. */
  readonly backup: Backup | undefined;
  /** Data that is on hosts is moved away. */
  readonly takesDataAway: boolean;
}

/** Everything is made ready beside the old data first; only then does the record say so, and members stop. */
export function restoreStep(
  view: View,
  draft: Draft,
  hosts: readonly HostSpec[],
  restore: Restore,
  of: RestoreOf,
): void {
  const archived = view.hosts.filter((host) => host.facts?.member.data.state === 'present').map((host) => host.name);
  warn(view, draft, restore, of.backup);
  draft.step({
    action: 'restore-cluster',
    target: view.spec.name,
    reason: of.reason,
    risk: of.takesDataAway ? 'destructive' : 'outage',
    requires: ['backup-whole', 'restore-declared'],
    ensures: ['all-members-healthy', 'clients-kept-out'],
    detail: {
      ...detailOf(view, restore),
      hosts: Object.fromEntries(hosts.map((host) => [host.name, quarantinedFlags(view.spec, host)])),
      ...(of.takesDataAway ? { differences: [`the data on ${archived.join(', ')} → archived, no longer used`] } : {}),
    },
  });
}

export function releaseStep(view: View, draft: Draft, hosts: readonly HostSpec[], restore: Restore): void {
  draft.step({
    action: 'release',
    target: view.spec.name,
    reason: 'restored',
    risk: 'none',
    requires: ['all-members-healthy', 'members-agree'],
    ensures: ['clients-let-in'],
    detail: {
      ...detailOf(view, restore),
      hosts: Object.fromEntries(hosts.map((host) => [host.name, releasedFlags(view.spec, host)])),
    },
  });
}

function detailOf(view: View, restore: Restore): StepDetail {
  return {
    version: view.spec.version,
    bootstrapId: restore.bootstrapId,
    token: restore.token,
    initialCluster: restore.initialCluster,
    backup: restore.backup,
    bumpRevision: restore.bumpRevision,
    ...(restore.replaces === undefined ? {} : { replaces: restore.replaces }),
  };
}

/** How many revisions are known to be lost. Those that an earlier restore was raised by were never written. */
function lostWrites(view: View, { proof }: Backup, { replaces }: Restore): string {
  if (proof === undefined) return '';
  const last = lastRevision(view);
  const seen = ` The last revision that was seen is ${last}, the backup's is ${proof.revision}`;
  if (proof.clusterId !== replaces)
    return `${seen}; it is of cluster ${proof.clusterId}, so how many later ones are lost is not known.`;
  const lost = Math.max(0, last - proof.revision);
  if (isSeenNow(view)) return `${seen}: ${lost} later ones are lost.`;
  return lost === 0
    ? `${seen}; whether more was written is not known.`
    : `${seen}: at least ${lost} later ones are lost.`;
}

function warn(view: View, draft: Draft, restore: Restore, backup: Backup | undefined): void {
  draft.warn({
    code: 'restore-outage',
    summary: 'The cluster does not serve during the restore.',
    detail:
      'Clients are out from the stop of the first member until the restored cluster has been checked: some seconds, since the restored data is made ready on the hosts before anything stops. Clients have to list anew what they watch.',
  });
  if (backup !== undefined) {
    const age = formatDuration(Math.max(0, view.nowMs - backup.takenAtMs));
    const writes = lostWrites(view, backup, restore);
    draft.warn({
      code: 'restore-loses-writes',
      summary: 'What was written after the backup is lost.',
      detail: `Backup ${backup.name} of etcd ${backup.etcdVersion} was taken at ${formatTime(backup.takenAtMs)}, ${age} before this plan.${writes}${backup.proof === undefined ? ' It was written by another program, so only its own hash can be checked.' : ''}`,
    });
  }
  if (restore.bumpRevision === 0 && !canBumpRevision(view.spec.version))
    draft.warn({
      code: 'revision-goes-back',
      summary: 'Clients will see revisions run backwards.',
      detail: `etcd ${view.spec.version} cannot raise revisions at a restore (3.4.27, 3.5.10 and later can). Restart everything that watches this cluster, for example every kube-apiserver and controller, after the restore.`,
    });
}

/** The record follows what is written from afar; only a cluster that answers tells how much exactly. */
function isSeenNow({ live }: View): boolean {
  return live.etcd.known && live.etcd.value.members.some((member) => member.status.known);
}
