/**
 * What Quorate asks of a running etcd cluster. Ids are hexadecimal, lower case, without prefix, as
 * etcdctl prints them. The real client is `client.ts`; tests hand in a model.
 */
export interface EtcdApi {
  /** Linearizable, so an answer proves a quorum. (3.4's own list is not; the client reads through the leader first.) */
  memberList(): Promise<MemberList>;
  /** One endpoint's own view; does not need a quorum. */
  status(clientUrl: string): Promise<EndpointStatus>;
  /** Raised alarms of all members. */
  alarms(): Promise<readonly Alarm[]>;
  /** Gives the id of the new learner. */
  memberAddLearner(peerUrl: string): Promise<string>;
  /** Rejects with code `learner-not-ready` until the learner has caught up. */
  memberPromote(memberId: string): Promise<void>;
  memberRemove(memberId: string): Promise<void>;
  /** `clientUrl` must be the leader's. */
  moveLeader(clientUrl: string, targetMemberId: string): Promise<void>;
  /** Hash of all keys up to a revision (0: the current one). */
  hashKv(clientUrl: string, revision: number): Promise<KvHash>;
  /** How many keys there are at a revision (0: the current one), as that member sees it. */
  keyCount(clientUrl: string, revision: number): Promise<number>;
  /** The raw stream of a snapshot: the database and its trailing 32 bytes of SHA-256. */
  snapshot(clientUrl: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  close(): void;
}

export interface MemberList {
  readonly clusterId: string;
  readonly members: readonly EtcdMember[];
}

export interface EtcdMember {
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

export interface EndpointStatus {
  readonly clusterId: string;
  readonly memberId: string;
  readonly version: string;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  /** Member id of the leader; empty when there is none. */
  readonly leaderId: string;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly raftAppliedIndex: number;
  readonly revision: number;
  readonly isLearner: boolean;
  readonly errors: readonly string[];
}

export interface Alarm {
  readonly memberId: string;
  readonly alarm: 'NOSPACE' | 'CORRUPT';
}

export interface KvHash {
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
}

/** Answer of a short HTTP request to one member, made on a fresh connection. */
export interface MemberProbe {
  /** `GET /health` on the client port: true when the member sees a leader and can serve. */
  health(clientUrl: string): Promise<ProbeResult>;
}

export type ProbeResult =
  | { readonly healthy: true; readonly latencyMs: number; readonly presented: PresentedCertificate }
  | { readonly healthy: false; readonly reason: string; readonly presented?: PresentedCertificate | undefined };

/** The server certificate that was seen on the wire. */
export interface PresentedCertificate {
  readonly fingerprint: string;
  readonly serial: string;
  readonly notAfterMs: number;
}
