import type { Buffer } from 'node:buffer';

/** What a copy asks of the keys of one cluster. The real one is `connect-keyspace.ts`. */
export interface Keyspace {
  /** Linearizable. */
  head(): Promise<KeyspaceHead>;
  /**
   * Keys of a range at one revision, in the order of their bytes. Rejects with `answer-too-large` when they do not
   * fit into one answer, and with `revision-compacted`.
   */
  range(query: RangeQuery): Promise<KeyPage>;
  /** Runs the puts when the conditions hold; they are conditions so that a lost answer may be asked for again. */
  write(transaction: WriteTransaction): Promise<WriteAnswer>;
  /** Ids of all leases, decimal. */
  leases(): Promise<readonly string[]>;
  /** Whole seconds that are left; undefined when the lease is gone. */
  remainingSeconds(lease: string): Promise<number | undefined>;
  /** Rejects with `lease-exists`. etcd makes less than its shortest time, some two seconds, into that. */
  grant(lease: string, seconds: number): Promise<void>;
  accounts(): Promise<Accounts>;
  close(): void;
}

export interface KeyspaceHead {
  readonly clusterId: string;
  readonly revision: number;
  readonly keyCount: number;
}

export interface RangeQuery {
  readonly revision: number;
  /** The first key; one zero byte is the smallest. */
  readonly start: Buffer;
  /** The first key behind; one zero byte means that there is no end. */
  readonly end: Buffer;
  /** Most keys of one answer; 0: no limit. */
  readonly limit: number;
  /** Values are left empty. */
  readonly keysOnly?: boolean;
  /** Only keys created, or last written, between two revisions, both included. etcd looks at the whole range for it. */
  readonly created?: RevisionSpan;
  readonly modified?: RevisionSpan;
}

export interface RevisionSpan {
  readonly first: number;
  readonly last: number;
}

export interface KeyPage {
  readonly records: readonly KeyRecord[];
  readonly more: boolean;
}

export interface KeyRecord {
  readonly key: Buffer;
  readonly value: Buffer;
  /** Decimal; `0` for none. */
  readonly lease: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** How often it was written since it was created; 1 at first. */
  readonly version: number;
}

export interface WriteTransaction {
  readonly conditions: readonly Condition[];
  readonly puts: readonly Put[];
}

/** Of the version of a key: 0 while it is not there, 1 when it was created, one more with each write. */
export interface Condition {
  readonly key: Buffer;
  readonly version: number;
  readonly isAtLeast: boolean;
}

/** Without a value the key keeps the one that it has, and its lease, and gets a new revision only. */
export interface Put {
  readonly key: Buffer;
  readonly value: Buffer | undefined;
  readonly lease: string;
}

export interface WriteAnswer {
  readonly conditionsHeld: boolean;
  readonly revision: number;
}

/** What etcd's own authentication holds. */
export interface Accounts {
  readonly users: readonly string[];
  readonly roles: readonly string[];
  /** Authentication is on, and we are not allowed to see them. */
  readonly areHidden: boolean;
}
