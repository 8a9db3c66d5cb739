import type { RecordedRestore } from '../backup/store.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/**
 * A restore that was written down but has touched nothing yet, and whose words have been taken back since: the
 * cluster that it was to replace is alive, and no host has been given restored data.
 */
export function isTakenBack(spec: ClusterSpec, live: LiveState, operation: RecordedRestore): boolean {
  return (
    spec.bootstrap?.id !== operation.bootstrapId &&
    live.etcd.known &&
    live.etcd.value.clusterId === operation.replaces &&
    live.hosts.every(
      (host) => host.facts.known && host.facts.value.member.latched?.bootstrapId !== operation.bootstrapId,
    )
  );
}
