import { digestOf } from '../base/canonical.ts';
import type { LiveHost, LiveState } from '../observe/live-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/**
 * Digest over what must not have moved between planning and applying: identities, members, versions,
 * certificates, alarms, data dirs, the record, the spec. Left out on purpose, since they move by
 * themselves without changing what is right to do: term, leader, revision, sizes, times, pids.
 */
export function fingerprintOf(spec: ClusterSpec, live: LiveState): string {
  const record = live.record.known ? live.record.value?.record : undefined;
  return digestOf({
    spec,
    etcd: live.etcd.known
      ? {
          clusterId: live.etcd.value.clusterId,
          members: live.etcd.value.members.map(({ id, name, peerUrls, isLearner, status }) => ({
            id,
            name,
            peerUrls,
            isLearner,
            version: status.known ? status.value.version : null,
          })),
          alarms: live.etcd.value.alarms,
        }
      : null,
    hosts: live.hosts.map(hostFingerprint),
    record:
      record === undefined
        ? null
        : { clusterId: record.clusterId, bootstrapIds: record.bootstrapIds, operation: record.operation },
    authorities: live.authorities.known
      ? Object.values(live.authorities.value).map(({ name, fingerprint }) => ({ name, fingerprint }))
      : null,
  });
}

function hostFingerprint(host: LiveHost): object {
  if (!host.facts.known) return { name: host.name, facts: null };
  const { data, latched, certificates, process } = host.facts.value.member;
  return {
    name: host.name,
    data: { state: data.state, clusterId: data.clusterId, memberId: data.memberId },
    latched: latched === null ? null : { clusterId: latched.clusterId, memberId: latched.memberId },
    flags: process.flags,
    version: process.version,
    peer: certificates.peer === null ? null : [certificates.peer.fingerprint, certificates.peer.trust],
    client: certificates.client === null ? null : [certificates.client.fingerprint, certificates.client.trust],
  };
}
