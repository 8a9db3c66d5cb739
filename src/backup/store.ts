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
}

export interface RecordedOperation {
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

/** A stored record with the tag that the next write must name, so that two writers cannot both win. */
export interface StoredRecord {
  readonly record: ClusterRecord;
  readonly tag: string;
}
