import type { ClusterRecord } from '../../../src/backup/store.ts';
import { known, unknown } from '../../../src/base/observation.ts';
import type { LiveCluster, LiveHost, LiveMember, LiveState } from '../../../src/observe/live-state.ts';

/** One thing that is different about a live state. */
export type Change = (live: LiveState) => LiveState;

const inCluster =
  (change: (cluster: LiveCluster) => LiveCluster): Change =>
  (live) =>
    live.etcd.known ? { ...live, etcd: known(change(live.etcd.value)) } : live;
const onMember = (host: string, change: (member: LiveMember) => LiveMember): Change =>
  inCluster((cluster) => ({
    ...cluster,
    members: cluster.members.map((member) => (member.host === host ? change(member) : member)),
  }));
const onHost =
  (name: string, change: (host: LiveHost) => LiveHost): Change =>
  (live) => ({ ...live, hosts: live.hosts.map((host) => (host.name === name ? change(host) : host)) });
export const sick = (host: string): Change => onMember(host, (member) => ({ ...member, health: unknown('no answer') }));
export const learner = (host: string): Change => onMember(host, (member) => ({ ...member, isLearner: true }));
export const silent = (name: string): Change => onHost(name, (host) => ({ ...host, facts: unknown('no answer') }));
/** It has left the spec, and its agent does not answer. */
export const departed = (name: string): Change =>
  onHost(name, (host) => ({ ...host, declared: false, facts: unknown('no answer') }));
export const withData = (name: string, clusterId: string | undefined, ownId = 'abab'): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const { member } = host.facts.value;
    const data = {
      state: 'present' as const,
      archives: [],
      memberId: ownId,
      ...(clusterId === undefined ? {} : { clusterId }),
    };
    return { ...host, facts: known({ ...host.facts.value, member: { ...member, data } }) };
  });
export const latched = (name: string, clusterId: string, bootstrapId?: string): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const identity = { clusterId, memberId: 'abab', atMs: 0, ...(bootstrapId === undefined ? {} : { bootstrapId }) };
    const member = { ...host.facts.value.member, latched: identity };
    return { ...host, facts: known({ ...host.facts.value, member }) };
  });
/** Its agent has heard of a run with that epoch. */
export const claimed = (name: string, epoch: number): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const { value } = host.facts;
    return { ...host, facts: known({ ...value, member: { ...value.member, epoch } }) };
  });
/** The agent reports neither data nor a process, whatever runs there. */
export const forgotten = (name: string): Change =>
  onHost(name, (host) => {
    if (!host.facts.known) return host;
    const { value } = host.facts;
    const member = {
      ...value.member,
      data: { state: 'empty' as const, archives: [] },
      process: { state: 'absent' as const, restarts: 0 },
      latched: null,
    };
    return { ...host, facts: known({ ...value, member }) };
  });
export const recorded =
  (fields: Partial<ClusterRecord>): Change =>
  (live) => ({
    ...live,
    record: known({
      tag: 'tag',
      record: {
        formatVersion: '1.0',
        cluster: 'orders',
        clusterId: null,
        bootstrapIds: [],
        versions: [],
        members: 3,
        hosts: [],
        operation: null,
        lastRevision: 0,
        ...(live.record.known ? live.record.value?.record : undefined),
        ...fields,
      },
    }),
  });
export const noQuorum: Change = (live) => ({ ...live, etcd: unknown('nobody answers') });
export const noRecord: Change = (live) => ({ ...live, record: unknown('the store is away') });
export const noBackups: Change = (live) => ({ ...live, backups: unknown('the store is away') });
export const noKeys: Change = (live) => ({ ...live, authorities: unknown('EIO') });
export const unchanged: Change = (live) => live;

export function without(host: string): Change {
  return inCluster((cluster) => ({ ...cluster, members: cluster.members.filter((member) => member.host !== host) }));
}
