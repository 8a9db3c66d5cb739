/**
 * The declared state of one cluster, with defaults filled in and numbers typed. Made by `load.ts`
 * from a document that passed `schemas/etcd-cluster.v1.json` and the rules of `rules.ts`.
 */
export interface ClusterSpec {
  readonly name: string;
  /** `major.minor.patch` of etcd. */
  readonly version: string;
  /** How many hosts run a member: 1, 3, 5 or 7. */
  readonly members: number;
  /** In the order of the file, which breaks ties when hosts are nominated. */
  readonly hosts: readonly HostSpec[];
  readonly bootstrap?: BootstrapSpec | undefined;
  /** Flags of etcd by their current names, values as etcd takes them (sizes already in bytes). */
  readonly etcd: Readonly<Record<string, string>>;
  readonly tls: TlsSpec;
  readonly backup: BackupSpec;
  readonly upgrade: {
    readonly strategy: 'rolling' | 'restore';
    readonly allowDowngrade: boolean;
    readonly acceptRelease?: string | undefined;
  };
  readonly replace: { readonly wipedDisk: 'automatic' | 'manual' };
  readonly suspend: boolean;
}

export interface HostSpec {
  readonly name: string;
  /** `https://host:port` without a path. */
  readonly agent: string;
  readonly address: string;
  readonly zone?: string | undefined;
  readonly cordon: boolean;
  readonly ports: Ports;
}

export interface Ports {
  readonly client: number;
  readonly peer: number;
  readonly metrics: number;
  /** Takes the place of `client` while a restored cluster is checked and clients are kept out. */
  readonly quarantine: number;
}

export interface BootstrapSpec {
  readonly id: string;
  readonly from: 'empty' | { readonly backup: string };
  /** Hexadecimal id of the cluster on record that is given up. */
  readonly discardData?: string | undefined;
}

export type KeyType = 'ecdsa-p256' | 'ed25519' | 'rsa-2048' | 'rsa-4096';
/** The two kinds of traffic that TLS protects: between members, and between clients and members. */
export type TrustDomain = 'peer' | 'client';

export interface TlsSpec {
  readonly authorities: Readonly<Record<string, AuthoritySpec>>;
  readonly peer: TrustSpec;
  readonly client: TrustSpec;
  readonly leaf: { readonly validityMs: number; readonly keyType: KeyType };
}

export interface AuthoritySpec {
  readonly kind: 'managed';
  readonly validityMs: number;
}

export interface TrustSpec {
  /** Names of the accepted authorities. */
  readonly trust: readonly string[];
  /** Name of the authority that signs. */
  readonly issue: string;
}

export interface BackupSpec {
  /** `file:///folder` or `s3://bucket/prefix?…`, without the cluster's name. */
  readonly store: string;
  /** When periodic backups are due; absent: none are taken. */
  readonly every?: BackupSchedule | undefined;
  /** Absent: no backup is ever deleted. */
  readonly keep?: KeepSpec | undefined;
  readonly drill: 'daily' | 'weekly' | 'never';
}

/** A cron expression has five fields and is in UTC. */
export type BackupSchedule =
  | { readonly type: 'interval'; readonly everyMs: number }
  | { readonly type: 'cron'; readonly expression: string };

/** How many backups stay: the newest, and the newest of each of the last hours, days and (ISO) weeks, in UTC. */
export interface KeepSpec {
  readonly last: number;
  readonly hourly: number;
  readonly daily: number;
  readonly weekly: number;
}

/** Port and address of a member, as URLs. IPv6 addresses are bracketed. */
export function hostUrl(address: string, port: number, scheme: 'https' | 'http' = 'https'): string {
  return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

export function peerUrl(host: HostSpec): string {
  return hostUrl(host.address, host.ports.peer);
}

export function clientUrl(host: HostSpec): string {
  return hostUrl(host.address, host.ports.client);
}
