import type { ClusterRecord } from '../backup/store.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { quorumOf, type View } from './view.ts';

/**
 * A restore that was written down but has given no host its data yet, and whose words have been taken back since: the
 * cluster that it was to replace is alive, or enough of its members are there to bring it back by starting them.
 */
export function isTakenBack(spec: ClusterSpec, live: LiveState, record: ClusterRecord): boolean {
  const { operation } = record;
  if (operation?.type !== 'restore' || operation.replaces === null) return false;
  if (spec.bootstrap?.id === operation.bootstrapId) return false;
  const seen = live.hosts.flatMap((host) => (host.facts.known ? [host.facts.value.member] : []));
  if (seen.some((member) => member.latched?.bootstrapId === operation.bootstrapId)) return false;
  if (live.etcd.known) return live.etcd.value.clusterId === operation.replaces;
  const holders = seen.filter((member) => member.data.clusterId === operation.replaces);
  return holders.length >= quorumOf(record.members);
}

/**
 * The record cannot be read, and the hosts look as if a restore were under way: data lies ready or was never run since
 * it was put there, or hosts remember different clusters. What is started then could be opened to clients unchecked,
 * or serve what is about to be replaced.
 */
export function mayBeRestoring(view: View): boolean {
  if (view.record !== undefined) return false;
  const seen = view.hosts.flatMap((host) => host.facts?.member ?? []);
  const remembered = new Set(seen.flatMap((member) => member.latched?.clusterId ?? []));
  return (
    remembered.size > 1 ||
    seen.some(({ restore, data, process }) => {
      const isUntried = data.state === 'present' && process.state === 'absent';
      return restore.prepared !== null || isUntried;
    })
  );
}
