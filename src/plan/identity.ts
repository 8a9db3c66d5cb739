import type { Draft } from './draft.ts';
import type { ClusterView } from './view.ts';

/** Is this the cluster that we know? A live cluster under another id is nobody's to repair blindly. */
export function planIdentity(view: ClusterView, draft: Draft): 'continue' | 'stop' {
  const { cluster, record, spec } = view;
  const before = draft.refusals.length;
  if (record?.clusterId !== undefined && record.clusterId !== null && record.clusterId !== cluster.clusterId) {
    draft.refuse({
      code: 'cluster-id-mismatch',
      summary: 'The running cluster is not the one on record.',
      detail: `The members of ${spec.name} answer with cluster id ${cluster.clusterId}; the record in the backup store says ${record.clusterId}. Somebody formed another cluster on these hosts, or the store belongs to another cluster.`,
      remedy: `Find out which of the two holds your data. If the store is wrong, correct spec.backup.store; if the running cluster is wrong, stop it by hand and restore cluster ${record.clusterId} from its backups.`,
    });
    return 'stop';
  }
  const foreign = view.hosts.filter(
    (host) =>
      host.member !== undefined &&
      host.facts?.member.data.clusterId !== undefined &&
      host.facts.member.data.clusterId !== cluster.clusterId,
  );
  for (const host of foreign) {
    draft.refuse({
      code: 'cluster-id-mismatch',
      summary: 'A host holds the data of another cluster.',
      detail: `Host ${host.name} is a member of cluster ${cluster.clusterId} by the member list, but its data dir belongs to cluster ${host.facts?.member.data.clusterId}.`,
      remedy: `Look at the data dir on ${host.name} before anything is changed; move it away by hand if it is not needed.`,
    });
  }
  const corrupt = cluster.alarms.filter((alarm) => alarm.alarm === 'CORRUPT');
  if (corrupt.length > 0) {
    draft.refuse({
      code: 'alarm-corrupt',
      summary: 'etcd has found corrupt data and raised an alarm.',
      detail: `CORRUPT is raised for member ${corrupt.map((alarm) => alarm.memberId).join(', ')}. The members disagree about their data; every change could spread the wrong copy.`,
      remedy:
        'Compare `etcdctl endpoint hashkv --cluster`, decide which members are right, and replace the others. Quorate never disarms this alarm.',
    });
  }
  if (draft.refusals.length > before) return 'stop';
  if (record === null) {
    draft.warn({
      code: 'record-missing',
      summary: 'The store holds no record of this cluster.',
      detail: `Cluster ${cluster.clusterId} is running but ${spec.backup.store} has no control/quorate.json for it. The record is written anew from what the members and agents say.`,
    });
  }
  return 'continue';
}
