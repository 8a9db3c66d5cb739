import type { Readable } from 'node:stream';

/**
 * Objects by key below one cluster's prefix, the same contract for folders and buckets. Keys are
 * relative, `/`-separated, without `.` or `..` parts. Every write is whole or absent.
 */
export interface ObjectStore {
  /** For people and logs; without credentials. */
  readonly url: string;
  /** Keys below a prefix in string order. */
  list(prefix: string): Promise<readonly StoredObject[]>;
  /** Whole small object (at most 1 MiB) with its version tag; undefined when it does not exist. */
  read(key: string): Promise<{ readonly content: string; readonly tag: string } | undefined>;
  /** A stream of a large object; rejects with code `object-not-found`. */
  open(key: string): Promise<Readable>;
  /** Writes a small object. `if-absent` and `if-tag` reject with code `store-conflict` when they do not hold. */
  write(key: string, content: string, condition?: WriteCondition): Promise<void>;
  /** Streams a large object; nothing is listed until all of it is durable. Rejects when the key exists. */
  writeStream(key: string, content: AsyncIterable<Uint8Array>): Promise<{ readonly sizeBytes: number }>;
  /** No error when it does not exist. */
  delete(key: string): Promise<void>;
  /**
   * Removes what uploads begun before that moment (milliseconds since the epoch) and never finished left where
   * no listing shows it (temporary files, multipart uploads). Gives how many there were.
   */
  removeUnfinishedUploads(beforeMs: number): Promise<number>;
}

export type WriteCondition = { readonly type: 'if-absent' } | { readonly type: 'if-tag'; readonly tag: string };

export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/** What is known of one finished backup; from `_etcd_backup.meta` and `_quorate.json`. */
export interface Backup {
  /** `2026-11-20T15:29:48Z-000003` */
  readonly name: string;
  /** When it was taken, milliseconds since the epoch. */
  readonly takenAtMs: number;
  readonly etcdVersion: string;
  readonly memberCount: number;
  /** Absent for backups that another program wrote. */
  readonly proof?: BackupProof | undefined;
}

/** `_quorate.json`: what Quorate knows of a backup beyond the shared format. */
export interface BackupProof {
  readonly formatVersion: '1.0';
  /** SHA-256 of `etcd.backup.gz`, hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly dbSizeBytes: number;
  /** Revision and HashKV of the member it was read from, just before; they date the content. */
  readonly revision: number;
  readonly hash: number;
  /** Compact revision that the hash was computed over, -1 while nothing was ever compacted; without it, as in older proofs, hashes cannot be compared. */
  readonly compactRevision?: number | undefined;
  /** Keys at `revision`. */
  readonly keyCount?: number | undefined;
  readonly clusterId: string;
  /** Host whose member gave the snapshot. */
  readonly source: string;
  readonly members: readonly { readonly id: string; readonly name: string; readonly peerUrls: readonly string[] }[];
  readonly reason: string;
  readonly commit: string | null;
  readonly run: string | null;
  /** The object was read back and its sha256 matched. */
  readonly verifiedAtMs: number;
}

/** `control/backup-check.json`: the last time that a periodic backup was due and nothing had been written since. */
export interface BackupCheck {
  readonly formatVersion: '1.0';
  /** The backup that still says it all. */
  readonly backup: string;
  readonly clusterId: string;
  readonly revision: number;
  readonly checkedAtMs: number;
}

/** `drills/<time>-<backup>.json`: one backup restored into a scratch etcd, for proof. Never rewritten. */
export interface DrillResult {
  readonly formatVersion: '1.0';
  readonly backup: string;
  /** `impossible`: something that says nothing about the backup stood in the way (no binary, no room). */
  readonly outcome: 'passed' | 'failed' | 'impossible';
  /** For people; null when it passed. */
  readonly problem: string | null;
  /** Release that it was restored with. */
  readonly etcdVersion: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly keyCount: number | null;
  readonly revision: number | null;
  readonly hash: number | null;
  /** False: there was nothing to compare the hash with (an older proof, or another program's backup). */
  readonly hashCompared: boolean;
  readonly timings: {
    readonly fetchMs: number;
    readonly restoreMs: number;
    readonly startMs: number;
    readonly checkMs: number;
  };
}

/** `control/quorate.json`: the witness that outlives every host. */
export interface ClusterRecord {
  readonly formatVersion: '1.0';
  readonly cluster: string;
  /** Hexadecimal; null while the first bootstrap is under way. */
  readonly clusterId: string | null;
  readonly bootstrapIds: readonly string[];
  readonly versions: readonly string[];
  /** Member count last declared and reached. */
  readonly members: number;
  /** Where members run or have left data: enough to stop one whose host left the spec. */
  readonly hosts: readonly { readonly name: string; readonly agent: string; readonly address: string }[];
  /** Operation in progress that live state cannot show. */
  readonly operation: RecordedOperation | null;
  /** Last revision seen alive. */
  readonly lastRevision: number;
  /** Clusters of this name that a restore or a declared loss took the place of: what comes back of them is put away. */
  readonly replaced?: readonly string[] | undefined;
}

export type RecordedOperation = RecordedBootstrap | RecordedRestore;

export interface RecordedBootstrap {
  readonly type: 'bootstrap';
  readonly bootstrapId: string;
  readonly token: string;
  /** `name=peerURL,…` */
  readonly initialCluster: string;
  readonly hosts: readonly string[];
  /** Id of the cluster that the commit gave up; null when there was none. */
  readonly discardData: string | null;
  readonly commit: string;
  readonly startedAtMs: number;
}

/** Written before the first member is stopped; cleared when the restored cluster was checked and let its clients in. */
export interface RecordedRestore {
  readonly type: 'restore';
  readonly bootstrapId: string;
  readonly token: string;
  /** `name=peerURL,…` */
  readonly initialCluster: string;
  readonly hosts: readonly string[];
  /** Name of the backup. */
  readonly backup: string;
  /** etcd release whose tool restores it and that runs afterwards. */
  readonly version: string;
  /** Added to the revisions of the backup; 0 where the release's tool cannot. */
  readonly bumpRevision: number;
  /** Id of the cluster whose place it takes; null when nobody remembers one. */
  readonly replaces: string | null;
  readonly commit: string;
  readonly startedAtMs: number;
}

/** A stored record with the tag that the next write must name, so that two writers cannot both win. */
export interface StoredRecord {
  readonly record: ClusterRecord;
  readonly tag: string;
}
