// Generated from schemas/etcd-cluster.v1.json by npm run generate. Do not edit.

export type Name = string;
/**
 * Authorities whose certificates are accepted.
 *
 * @minItems 1
 * @maxItems 8
 */
export type Trust = readonly Name[];

/**
 * One etcd cluster as Git says it should be.
 */
export interface EtcdCluster {
  /**
   * Version of this format.
   */
  readonly apiVersion: 'quorate.dev/v1';
  /**
   * What the document describes.
   */
  readonly kind: 'EtcdCluster';
  /**
   * What the cluster is called.
   */
  readonly metadata: {
    /**
     * Name of the cluster, unique among all specs of the repository.
     */
    readonly name: string;
  };
  /**
   * The cluster as it should be.
   */
  readonly spec: {
    /**
     * The etcd release that every member runs, for example 3.5.33.
     */
    readonly version: string;
    /**
     * How many of the hosts run a member. Even counts are refused: they raise the quorum without surviving one more failure.
     */
    readonly members: 1 | 3 | 5 | 7;
    /**
     * The pool of hosts. More hosts than members means spares, which take over from cordoned or lost hosts.
     *
     * @minItems 1
     * @maxItems 32
     */
    readonly hosts: readonly Host[];
    readonly ports: Ports;
    readonly bootstrap?: Bootstrap | undefined;
    /**
     * Flags of etcd by their own names (current spelling), for example heartbeat-interval: 100. Sizes may be written as 8GiB. Flags for clustering, URLs, TLS and the data dir belong to Quorate and are refused.
     */
    readonly etcd: {
      readonly [k: string]: string | number | boolean;
    };
    readonly tls: Tls;
    readonly backup: Backup;
    /**
     * How the version may change.
     */
    readonly upgrade: {
      /**
       * rolling keeps the cluster serving; restore has an outage.
       */
      readonly strategy: 'rolling' | 'restore';
      /**
       * Says that going to an older version is meant.
       */
      readonly allowDowngrade: boolean;
      /**
       * Names a release with a known data-loss defect that is used all the same, for example 3.5.2.
       */
      readonly acceptRelease?: string | undefined;
    };
    /**
     * When a member may be replaced.
     */
    readonly replace: {
      /**
       * Replace a member on a spare when its host has been unreachable for so long.
       */
      readonly failedAfter: string;
      /**
       * automatic: a host that comes back with an empty disk joins again as a new member.
       */
      readonly wipedDisk: 'automatic' | 'manual';
    };
    /**
     * How certificate authorities are exchanged.
     */
    readonly rotation: 'staged' | 'emergency';
    /**
     * When changes may start; empty means always.
     *
     * @maxItems 16
     */
    readonly windows: readonly string[];
    /**
     * true: look and report, change nothing.
     */
    readonly suspend: boolean;
    /**
     * The cluster id, hexadecimal, of the cluster to remove for good.
     */
    readonly retire?: string | undefined;
  };
}
export interface Host {
  /**
   * Name of the host; the member on it carries the same name.
   */
  readonly name: string;
  /**
   * URL of the agent, for example https://10.0.0.11:7001.
   */
  readonly agent: string;
  /**
   * IP address (or name) at which members and clients reach the host.
   */
  readonly address: string;
  /**
   * Failure domain; members are spread over zones.
   */
  readonly zone?: string | undefined;
  /**
   * true: no member may run here; one that does moves to a spare.
   */
  readonly cordon: boolean;
  /**
   * Ports on this host, where they differ from those of the cluster.
   */
  readonly ports?: PortOverrides | undefined;
}
/**
 * Ports on this host, where they differ from those of the cluster.
 */
export interface PortOverrides {
  /**
   * Port for clients on this host.
   */
  readonly client?: number | undefined;
  /**
   * Port for the other members on this host.
   */
  readonly peer?: number | undefined;
  /**
   * Port of /health and /metrics on this host.
   */
  readonly metrics?: number | undefined;
  /**
   * Port for the controller alone on this host while a restored cluster is checked.
   */
  readonly quarantine?: number | undefined;
}
/**
 * Ports of every member, unless its host overrides them.
 */
export interface Ports {
  /**
   * Port for clients.
   */
  readonly client: number;
  /**
   * Port for the other members.
   */
  readonly peer: number;
  /**
   * Port of /health and /metrics, plain HTTP on the loopback address of the host.
   */
  readonly metrics: number;
  /**
   * Port for the controller alone while a restored cluster is checked; by default the client port + 5000 (- 5000 above 60535).
   */
  readonly quarantine?: number | undefined;
}
/**
 * The explicit word to create the cluster. Runs once for each id. Take it out before the member count changes.
 */
export interface Bootstrap {
  /**
   * A name that was never used for this cluster.
   */
  readonly id: string;
  /**
   * empty, or the backup to restore.
   */
  readonly from:
    | 'empty'
    | {
        /**
         * Name of a backup, or latest.
         */
        readonly backup: string;
      };
  /**
   * The cluster id, hexadecimal, of the cluster on record whose data is given up.
   */
  readonly discardData?: string | undefined;
}
/**
 * Certificates. Client and peer traffic are always mutual TLS.
 */
export interface Tls {
  /**
   * Certificate authorities by name.
   */
  readonly authorities: {
    readonly [k: string]: Authority;
  };
  readonly peer: TrustDomain;
  /**
   * Between clients and members.
   */
  readonly client: {
    readonly trust: Trust;
    /**
     * The authority that signs new certificates.
     */
    readonly issue: string;
    /**
     * Says that all clients know this authority.
     */
    readonly clientsTrust?: string | undefined;
  };
  /**
   * The certificates of members.
   */
  readonly leaf: {
    /**
     * Lifetime; renewed at two thirds of it.
     */
    readonly validity: string;
    /**
     * Kind of key.
     */
    readonly keyType: 'ecdsa-p256' | 'ed25519' | 'rsa-2048' | 'rsa-4096';
  };
}
/**
 * Where the certificate and the key of an authority come from.
 */
export interface Authority {
  /**
   * Key made and kept by the controller.
   */
  readonly managed?:
    | {
        /**
         * Lifetime.
         */
        readonly validity: string;
      }
    | undefined;
  /**
   * Path in the repository of a certificate in PEM.
   */
  readonly certificate?: string | undefined;
  /**
   * The key of that certificate; without it, leaves are provided on the hosts.
   */
  readonly key?:
    | {
        /**
         * Path in the repository of the key, encrypted with age.
         */
        readonly ageFile: string;
      }
    | undefined;
}
/**
 * Between members.
 */
export interface TrustDomain {
  readonly trust: Trust;
  /**
   * The authority that signs new certificates.
   */
  readonly issue: string;
}
/**
 * Where backups go and how long they stay.
 */
export interface Backup {
  /**
   * file:///folder or s3://bucket/prefix?region=…; the cluster's name is appended.
   */
  readonly store: string;
  /**
   * When periodic backups are taken: an interval (15m), or a cron expression of five fields in UTC (* /15 * * * *).
   */
  readonly every?: string | undefined;
  /**
   * Which backups stay, by age; without it none is deleted. Some are kept in any case: the newest verified one, the one before the last change, and those that a spec or an operation names.
   */
  readonly keep?:
    | {
        /**
         * The newest backups.
         */
        readonly last: number;
        /**
         * One for each of the last hours.
         */
        readonly hourly: number;
        /**
         * One for each of the last days.
         */
        readonly daily: number;
        /**
         * One for each of the last weeks.
         */
        readonly weekly: number;
      }
    | undefined;
  /**
   * How often a backup is restored into a scratch etcd on the controller's host, for proof.
   */
  readonly drill: 'daily' | 'weekly' | 'never';
}
