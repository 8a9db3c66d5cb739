import type { BinaryFact } from '../etcd/binaries.ts';
import type { KeyType, TrustDomain } from '../spec/cluster-spec.ts';

/**
 * What controller and agent say to each other, JSON over mutual TLS. Both sides import these types;
 * `wire-schemas.ts` checks the bodies. Paths:
 *
 *   GET  /v1/facts[?cluster=NAME]                 → HostFacts
 *   GET  /v1/clusters/:cluster/logs?lines=N       → { lines: string[] }
 *   POST /v1/clusters/:cluster/<command>          → see AgentClient
 *   PUT  /v1/clusters/:cluster/snapshot           ← archive of a backup, as a stream, and its name and hash in headers
 *
 * Every POST and PUT carries the fencing epoch; an agent refuses an epoch older than it has seen for that
 * cluster with 409 and code `stale-epoch`. Errors are `{ code, summary, remedy? }`.
 */
export const epochHeader = 'quorate-epoch';
export const runHeader = 'quorate-run';
/**
 * Name of the host: required on every POST and PUT, so that a command cannot reach another host than it is meant
 * for when an address is mixed up (421, code `wrong-host`); and on every answer.
 */
export const hostHeader = 'quorate-host';
/** With a snapshot: name of the backup. */
export const backupHeader = 'quorate-backup';
/** With a snapshot, where it is known: SHA-256 of the archive, hexadecimal. */
export const archiveHashHeader = 'quorate-archive-sha256';

export interface HostFacts {
  readonly host: string;
  readonly agentVersion: string;
  /** Wall clock of the host, milliseconds since the epoch. */
  readonly nowMs: number;
  /** Of the data dir. `fsyncMs`: how long a small fsync took, at most a minute ago; -1 when it failed. */
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number; readonly fsyncMs: number };
  /** etcd releases that can be started without fetching. */
  readonly binaries: readonly BinaryFact[];
  /** Every cluster that this agent has ever had something to do with, by name. */
  readonly clusters: Readonly<Record<string, MemberFacts>>;
}

export type { BinaryFact };

export interface MemberFacts {
  readonly process: ProcessFacts;
  readonly data: DataFacts;
  /** Identity of the member that last ran here; survives the loss of the data dir. */
  readonly latched: LatchedIdentity | null;
  readonly certificates: Readonly<Record<TrustDomain, CertificateFacts | null>>;
  /** Newest fencing epoch seen for this cluster; 0 before the first command. */
  readonly epoch: number;
  readonly restore: RestoreFacts;
}

/** What lies ready beside the data dir for a restore; nothing of it is in use. */
export interface RestoreFacts {
  /** A whole, checked snapshot. */
  readonly staged: { readonly backup: string; readonly dbSizeBytes: number } | null;
  /** A data dir made from it by etcd's own tool. */
  readonly prepared: PreparedRestore | null;
}

export interface PreparedRestore {
  readonly bootstrapId: string;
  readonly backup: string;
  /** Hexadecimal ids that the restored member will have. */
  readonly clusterId: string;
  readonly memberId: string;
}

export interface ProcessFacts {
  /** `absent`: never started on what is there. `crashed`: meant to run, is down, will be restarted with back-off. */
  readonly state: 'absent' | 'running' | 'stopped' | 'crashed';
  readonly pid?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly startedAtMs?: number | undefined;
  /** etcd version of the binary last started. */
  readonly version?: string | undefined;
  /** The flags last started with, as the controller sent them. */
  readonly flags?: Readonly<Record<string, string>> | undefined;
  readonly restarts: number;
  readonly lastExit?:
    | {
        readonly code: number | null;
        readonly signal: string | null;
        readonly atMs: number;
        readonly logTail: readonly string[];
      }
    | undefined;
}

export interface DataFacts {
  readonly state: 'empty' | 'present';
  /** Hexadecimal ids read from the write-ahead log; missing when it cannot be read. */
  readonly clusterId?: string | undefined;
  readonly memberId?: string | undefined;
  /** Names of archived data dirs, oldest first. */
  readonly archives: readonly string[];
}

export interface LatchedIdentity {
  readonly clusterId: string;
  readonly memberId: string;
  /** The bootstrap that this host took part in, when it did. */
  readonly bootstrapId?: string | undefined;
  readonly atMs: number;
}

export interface CertificateFacts {
  /** Of the leaf on disk. Fingerprints are SHA-256 of the DER, hexadecimal, lower case. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly issuer: string;
  readonly sans: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly keyType: KeyType | 'other';
  /** Fingerprints of the authorities in the trust file on disk. */
  readonly trust: readonly string[];
  /** Fingerprints that the running process loaded at its start; empty when none runs. */
  readonly trustLoaded: readonly string[];
}

/** How an empty data dir is to be filled at the first start; ignored by etcd once data is there. */
export interface JoinMode {
  readonly state: 'new' | 'existing';
  /** `name=peerURL,…` */
  readonly initialCluster: string;
  readonly token: string;
  /** Declared in the commit; latched with the identity. */
  readonly bootstrapId?: string | undefined;
  /** Declared in the commit: the latched cluster whose loss is accepted. Needed for `new` where another is latched. */
  readonly discardData?: string | undefined;
}

export interface StartRequest {
  /** Name of the member, which is the host's name in the spec. */
  readonly member: string;
  readonly version: string;
  /** All flags but those that the agent owns (data dir, certificate files, log files). */
  readonly flags: Readonly<Record<string, string>>;
  /** Absent: start only on data that is there. */
  readonly join?: JoinMode | undefined;
  /** Milliseconds; the grace of a later stop follows from it. */
  readonly electionTimeoutMs: number;
}

export interface StopRequest {
  /** Between TERM, QUIT and KILL; at least 5 s + 2 × election timeout. */
  readonly graceMs: number;
}

export interface CsrRequest {
  readonly domain: TrustDomain;
  readonly keyType: KeyType;
}

export interface InstallCertificateRequest {
  readonly domain: TrustDomain;
  /** Leaf in PEM. Must belong to the key of the last CSR and chain to the trust on disk. */
  readonly certificate: string;
}

export interface TrustRequest {
  readonly domain: TrustDomain;
  /** Certificates in PEM, one or more. */
  readonly bundle: string;
}

export interface ArchiveRequest {
  readonly reason: string;
}

export interface StageSnapshotRequest {
  /** Name of the backup. */
  readonly backup: string;
  /** SHA-256 of the archive, hexadecimal; null for a backup that another program wrote without one. */
  readonly sha256: string | null;
}

export interface PrepareRestoreRequest {
  readonly bootstrapId: string;
  /** A staged one. */
  readonly backup: string;
  /** Release whose own tool makes the data dir. */
  readonly version: string;
  readonly member: string;
  readonly peerUrl: string;
  /** `name=peerURL,…` */
  readonly initialCluster: string;
  readonly token: string;
  /** Added to all revisions, with everything before marked as compacted; 0: neither. */
  readonly bumpRevision: number;
}

export interface InstallRestoredRequest {
  readonly bootstrapId: string;
}

/** A fenced channel to one agent. The real one is `client.ts`; tests hand in another. */
export interface AgentClient {
  /** Facts of the host; with a name, of that cluster alone, which spares a host of many clusters the rest. */
  facts(cluster?: string): Promise<HostFacts>;
  /** Last lines of the member's log, oldest first; at most 10,000. */
  logs(cluster: string, lines: number): Promise<readonly string[]>;
  /** Commands for one cluster under one fencing epoch. */
  commands(cluster: string, fence: Fence): AgentCommands;
  close(): Promise<void>;
}

export interface Fence {
  readonly epoch: number;
  readonly runId: string;
}

export interface AgentCommands {
  /** Does nothing but raise the fence: from now on an older run is turned away. */
  claim(): Promise<void>;
  /** Replaces the trust file. An empty or unreadable bundle is refused. */
  writeTrust(request: TrustRequest): Promise<void>;
  /** Makes a new key on the host, kept beside the one in use, and gives a CSR for it (PEM). */
  createCsr(request: CsrRequest): Promise<string>;
  installCertificate(request: InstallCertificateRequest): Promise<CertificateFacts>;
  /** Makes the binary of a release ready; fetches it when no folder has it. */
  fetchBinary(version: string): Promise<BinaryFact>;
  /** A second start with the same request is a no-op; another request while running is refused. */
  start(request: StartRequest): Promise<ProcessFacts>;
  /** A second stop is a no-op. Resolves when the process is gone. */
  stop(request: StopRequest): Promise<ProcessFacts>;
  /** Renames the data dir of a stopped member; a no-op without data. Gives the archive's name. */
  archiveData(request: ArchiveRequest): Promise<string | null>;
  /**
   * Takes the archive of a backup (gzip of a snapshot stream), unpacks it beside the data dir and checks it:
   * `backup-altered`, `snapshot-corrupt`, `disk-full`. What is staged already is not read again.
   */
  stageSnapshot(request: StageSnapshotRequest, archive: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes a data dir beside the one in use from the staged snapshot. The same request again is a no-op. */
  prepareRestore(request: PrepareRestoreRequest): Promise<PreparedRestore>;
  /**
   * Archives the data dir of a stopped member and puts the prepared one in its place; the host remembers the new
   * identity from then on. A no-op when it is in place already.
   */
  installRestored(request: InstallRestoredRequest): Promise<LatchedIdentity>;
}
