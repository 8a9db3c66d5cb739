import type {
  LatchedIdentity,
  PreparedRestore,
  PrepareRestoreRequest,
  ProcessFacts,
  StartRequest,
} from '../../../src/agent/wire.ts';
import type { Alarm, EtcdMember } from '../../../src/etcd/api.ts';
import type { TrustDomain } from '../../../src/spec/cluster-spec.ts';
import type { PaperAuthority, PaperLeaf } from './paper-certificates.ts';

/**
 * Everything that there is, as plain data, so that a world can be copied with `structuredClone` and
 * a run repeated from the same start. Times are milliseconds since the epoch.
 */
export interface WorldState {
  nowMs: number;
  /** Last fencing epoch given out. */
  epoch: number;
  hosts: Record<string, HostState>;
  /** Raft by cluster id: who leads, and when the next election ends. */
  rafts: Record<string, RaftState>;
  alarms: Alarm[];
  /** Keys that etcd has acknowledged to a client and that nobody has given up since. */
  acknowledged: string[];
  /** What the commits have said so far: ids of bootstraps, and the clusters whose data they give up. */
  words: { bootstrapIds: string[]; discarded: string[]; restores: string[] };
  authorities: Record<string, PaperAuthority>;
  isKeystoreAway: boolean;
  leavesIssued: number;
  /** What must never happen and did. */
  violations: string[];
}

export interface HostState {
  readonly name: string;
  readonly address: string;
  /** False: no power; neither agent nor etcd run. */
  isOn: boolean;
  /** The controller cannot reach the agent. */
  isAgentAway: boolean;
  /** The agent answers but knows nothing of the member, as one started on another dataDir. */
  isAgentForgetful: boolean;
  /** The controller cannot reach etcd's client port; the other members can reach its peer port. */
  isEndpointAway: boolean;
  /** Its member has not heard of the leader yet. */
  isBehind: boolean;
  /** Every process ends as soon as it is started. */
  isCrashing: boolean;
  /** How long a learner here takes to copy the data. */
  catchUpMs: number;
  member: MemberState;
}

/** What the agent keeps of its member; survives the loss of the data dir. */
export interface MemberState {
  /** False until the first command: the agent does not list the cluster before. */
  isKnown: boolean;
  epoch: number;
  latched: LatchedIdentity | null;
  desired: 'run' | 'stop';
  request: StartRequest | null;
  restarts: number;
  lastExit: NonNullable<ProcessFacts['lastExit']> | null;
  /** When a process that ended by itself is started again. */
  restartAtMs: number | null;
  data: DataDir | null;
  archives: { readonly name: string; readonly data: DataDir }[];
  staged: {
    readonly backup: string;
    readonly keys: readonly string[];
    readonly raisedBy: number;
    readonly sizeBytes: number;
  } | null;
  prepared: (PreparedRestore & { readonly request: PrepareRestoreRequest; readonly data: DataDir }) | null;
  process: ProcessState | null;
  tls: Record<TrustDomain, TlsState>;
}

export interface TlsState {
  trust: PaperAuthority[];
  leaf: PaperLeaf | null;
  pendingKey: string | null;
}

export interface DataDir {
  readonly clusterId: string;
  readonly memberId: string;
  /** What a restore added to all revisions. */
  readonly raisedBy?: number;
  log: Entry[];
}

/** `id` is unique among all entries ever proposed, so that two logs can be compared. */
export type Entry =
  | { readonly id: string; readonly term: number; readonly type: 'members'; readonly members: readonly EtcdMember[] }
  | { readonly id: string; readonly term: number; readonly type: 'put'; readonly key: string };

export interface ProcessState {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly name: string;
  readonly version: string;
  readonly flags: Readonly<Record<string, string>>;
  readonly trustLoaded: Readonly<Record<TrustDomain, readonly string[]>>;
  /** A learner has the leader's log from then on. */
  readonly caughtUpAtMs: number;
  /** The process ends then by itself: it has been removed from its cluster. */
  endsAtMs: number | null;
}

export interface RaftState {
  term: number;
  leaderId: string | null;
  electionAtMs: number | null;
}

export function newHost(name: string, address: string): HostState {
  return {
    name,
    address,
    isOn: true,
    isAgentAway: false,
    isAgentForgetful: false,
    isEndpointAway: false,
    isBehind: false,
    isCrashing: false,
    catchUpMs: 300,
    member: newMember(),
  };
}

export function newMember(): MemberState {
  const tls = (): TlsState => ({ trust: [], leaf: null, pendingKey: null });
  return {
    isKnown: false,
    epoch: 0,
    latched: null,
    desired: 'stop',
    request: null,
    restarts: 0,
    lastExit: null,
    restartAtMs: null,
    data: null,
    archives: [],
    staged: null,
    prepared: null,
    process: null,
    tls: { peer: tls(), client: tls() },
  };
}

/** The member list that a log ends with. */
export function membersOf(data: DataDir): readonly EtcdMember[] {
  for (const entry of data.log.toReversed()) if (entry.type === 'members') return entry.members;
  return [];
}

export function keysOf(data: DataDir): readonly string[] {
  return data.log.flatMap((entry) => (entry.type === 'put' ? [entry.key] : []));
}

export function revisionOf(data: DataDir): number {
  return keysOf(data).length + 1 + (data.raisedBy ?? 0);
}
