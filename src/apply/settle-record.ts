import { markClusterCreated, readRecord, writeRecord } from '../backup/record.ts';
import type { ClusterRecord, ObjectStore } from '../backup/store.ts';
import { canonicalJson } from '../base/canonical.ts';
import { isHealthy, type LiveState } from '../observe/live-state.ts';
import { isTakenBack } from '../plan/restore-state.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/**
 * Writes into the record what live state shows, when it differs. Nothing is written while no quorum
 * answers, or when another cluster answers than the one on record: a witness is never overruled by
 * what it is there to question.
 */
export async function settleRecord(
  spec: ClusterSpec,
  live: LiveState,
  store: ObjectStore,
  options: {
    /** The restored cluster was checked and is the cluster of this name from now on. */ readonly endsRestore: boolean;
  } = {
    endsRestore: false,
  },
): Promise<void> {
  if (!live.etcd.known) return;
  const stored = await readRecord(store, spec.name);
  // What runs during a restore is half old, half new, and checked by nobody yet.
  const record = stored?.record;
  if (record?.operation?.type === 'restore' && !options.endsRestore && !isTakenBack(spec, live, record)) return;
  const settled = settledRecord(spec, live, stored?.record ?? null);
  if (settled === undefined) return;
  if (stored !== undefined && stored !== null && canonicalJson(settled) === canonicalJson(stored.record)) return;
  await writeRecord(store, settled, stored?.tag ?? null);
  if (settled.operation !== null || settled.clusterId === null) return;
  // What etcd-manager would look for: a store without it reads as that of a new cluster.
  await markClusterCreated(store, {
    memberCount: settled.members,
    etcdVersion: spec.version,
    createdAtMs: live.observedAtMs,
  });
}

/** Undefined: nothing may be written. */
function settledRecord(spec: ClusterSpec, live: LiveState, previous: ClusterRecord | null): ClusterRecord | undefined {
  if (!live.etcd.known) return undefined;
  const { clusterId, members } = live.etcd.value;
  if (previous?.clusterId !== undefined && previous.clusterId !== null && previous.clusterId !== clusterId)
    return undefined;
  const voters = members.filter((member) => !member.isLearner);
  const isWhole = voters.length === spec.members && voters.length === members.length && voters.every(isHealthy);
  const revisions = members.flatMap((member) => (member.status.known ? [member.status.value.revision] : []));
  const bootstrapIds = live.hosts.flatMap((host) =>
    host.facts.known ? (host.facts.value.member.latched?.bootstrapId ?? []) : [],
  );
  const versions = members.flatMap((member) => (member.status.known ? [member.status.value.version] : []));
  const lastRevision = Math.max(previous?.lastRevision ?? 0, ...revisions);
  return {
    formatVersion: '1.0',
    cluster: spec.name,
    clusterId,
    bootstrapIds: [...new Set([...(previous?.bootstrapIds ?? []), ...bootstrapIds])],
    versions: [...new Set([...(previous?.versions ?? []), ...versions])],
    members: isWhole ? spec.members : (previous?.members ?? voters.length),
    hosts: placesOf(live, previous),
    // A quorum answers, so the bootstrap is over; a member that is missing is an ordinary repair.
    operation: null,
    ...replacedOf(clusterId, previous),
    lastRevision: isLeap(previous?.lastRevision ?? 0, lastRevision) ? lastRevision : (previous?.lastRevision ?? 0),
  };
}

/** Written in leaps: what a restore adds on top is far more than this, and the record is spared a write a loop. */
function isLeap(recorded: number, seen: number): boolean {
  return recorded === 0 ? seen > 0 : seen - recorded >= 10_000;
}

/** Where a member runs or its data still lies, and whoever on record cannot be asked at the moment. */
function placesOf(live: LiveState, previous: ClusterRecord | null): ClusterRecord['hosts'] {
  const members = live.etcd.known ? live.etcd.value.members : [];
  return live.hosts
    .filter((host) => {
      if (members.some((member) => member.host === host.name)) return true;
      if (!host.facts.known) return previous?.hosts.some((known) => known.name === host.name) === true;
      return host.facts.value.member.data.state === 'present';
    })
    .map(({ name, agent, address }) => ({ name, agent, address }));
}

/** Also a restore that was taken back has replaced nothing: the cluster that answers is never among them. */
function replacedOf(clusterId: string, previous: ClusterRecord | null): Pick<ClusterRecord, 'replaced'> {
  const operation = previous?.operation;
  const given = operation?.type === 'restore' ? operation.replaces : operation?.discardData;
  const replaced = [
    ...new Set([...(previous?.replaced ?? []), ...(given === undefined || given === null ? [] : [given])]),
  ];
  const others = replaced.filter((id) => id !== clusterId);
  return others.length === 0 ? {} : { replaced: others };
}
