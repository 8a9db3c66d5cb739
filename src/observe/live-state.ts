import type { HostFacts, MemberFacts } from '../agent/wire.ts';
import type { Backup, StoredRecord } from '../backup/store.ts';
import type { Observation } from '../base/observation.ts';
import type { Alarm, EndpointStatus, EtcdMember, PresentedCertificate } from '../etcd/api.ts';
import type { Authority } from '../tls/keystore.ts';

/** One look at everything that concerns a cluster. Nothing in it is guessed: what did not answer is unknown. */
export interface LiveState {
  readonly cluster: string;
  readonly observedAtMs: number;
  /** Hosts of the spec, in its order, then hosts known from the record alone. */
  readonly hosts: readonly LiveHost[];
  /** The cluster as etcd itself describes it; unknown when no member answers with a quorum behind it. */
  readonly etcd: Observation<LiveCluster>;
  /** Null: the store was read and holds no record. */
  readonly record: Observation<StoredRecord | null>;
  /** Newest first; all that exist, verified or not. */
  readonly backups: Observation<readonly Backup[]>;
  /** Authorities in the keystore, by name. */
  readonly authorities: Observation<Readonly<Record<string, Authority>>>;
}

export interface LiveHost {
  readonly name: string;
  readonly agent: string;
  readonly address: string;
  /** False: known from the record, no longer in the spec. */
  readonly declared: boolean;
  readonly facts: Observation<LiveHostFacts>;
}

export interface LiveHostFacts {
  readonly host: Pick<HostFacts, 'nowMs' | 'disk' | 'binaries' | 'agentVersion'>;
  readonly member: MemberFacts;
}

export interface LiveCluster {
  readonly clusterId: string;
  /** Sorted by name, then id. */
  readonly members: readonly LiveMember[];
  /** Null: no leader at the moment. */
  readonly leaderId: string | null;
  readonly alarms: readonly Alarm[];
}

export interface LiveMember extends EtcdMember {
  /** Host whose peer URL or name is this member's; null when none is known. */
  readonly host: string | null;
  /** The member's own status; unknown when it did not answer. */
  readonly status: Observation<EndpointStatus>;
  /** `GET /health` on its client port. */
  readonly health: Observation<{ readonly presented: PresentedCertificate }>;
}

/** A member counts as healthy when it answered its own health check and its own status without errors. */
export function isHealthy(member: LiveMember): boolean {
  return member.health.known && member.status.known;
}

/**
 * It answers and serves reads, though an alarm may keep it from being healthy: a full quota, which a restored database
 * may have brought with it, is no reason to keep it from being backed up, or from being given to those who can mend it.
 */
export function isServing(member: LiveMember): boolean {
  return member.status.known && (member.health.known || /\balarm\b/i.test(member.health.reason));
}
