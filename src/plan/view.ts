import type { ClusterRecord } from '../backup/store.ts';
import {
  isHealthy,
  type LiveCluster,
  type LiveHost,
  type LiveHostFacts,
  type LiveMember,
  type LiveState,
} from '../observe/live-state.ts';
import type { ClusterSpec, HostSpec } from '../spec/cluster-spec.ts';

/** Voters that must agree: more than half. */
export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** What one host's facts say, with the reading that the concerns share. */
export interface HostView {
  readonly name: string;
  /** Absent for a host known from the record alone. */
  readonly spec: HostSpec | undefined;
  readonly live: LiveHost;
  /** Undefined: the agent did not answer. */
  readonly facts: LiveHostFacts | undefined;
  /** The etcd member whose place is this host. */
  readonly member: LiveMember | undefined;
}

/** Everything a concern may look at while the cluster is alive. */
export interface View {
  readonly spec: ClusterSpec;
  readonly commit: string;
  readonly nowMs: number;
  readonly live: LiveState;
  readonly hosts: readonly HostView[];
  readonly record: ClusterRecord | null | undefined;
}

export interface ClusterView extends View {
  readonly cluster: LiveCluster;
  readonly voters: readonly LiveMember[];
  readonly learners: readonly LiveMember[];
}

export function viewOf(spec: ClusterSpec, live: LiveState, commit: string): View {
  const members = live.etcd.known ? live.etcd.value.members : [];
  return {
    spec,
    commit,
    live,
    nowMs: live.observedAtMs,
    record: live.record.known ? (live.record.value?.record ?? null) : undefined,
    hosts: live.hosts.map((host) => ({
      name: host.name,
      spec: spec.hosts.find((candidate) => candidate.name === host.name),
      live: host,
      facts: host.facts.known ? host.facts.value : undefined,
      member: members.find((member) => member.host === host.name),
    })),
  };
}

export function clusterViewOf(view: View, cluster: LiveCluster): ClusterView {
  return {
    ...view,
    cluster,
    voters: cluster.members.filter((member) => !member.isLearner),
    learners: cluster.members.filter((member) => member.isLearner),
  };
}

export function hostView(view: View, name: string | null): HostView | undefined {
  return name === null ? undefined : view.hosts.find((host) => host.name === name);
}

/** Name for people: the host, or the id of a member that no host is known for. */
export function memberName(member: LiveMember): string {
  return member.host ?? (member.name === '' ? member.id : member.name);
}

/** True when the host has never run a member of any cluster of this name and holds no data. */
export function isPristine(facts: LiveHostFacts): boolean {
  return (
    facts.member.data.state === 'empty' && facts.member.latched === null && facts.member.process.state !== 'running'
  );
}

/**
 * True when the disk of a member's host came back empty: the member is on the list and has run (it has
 * a name), it does not answer, and its host does, without data or process. One that answers is not wiped,
 * whatever its agent says.
 */
export function isWiped(host: HostView): boolean {
  if (host.facts === undefined || host.member === undefined || host.member.name === '') return false;
  if (!host.member.isLearner && isHealthy(host.member)) return false;
  return host.facts.member.data.state === 'empty' && host.facts.member.process.state !== 'running';
}
