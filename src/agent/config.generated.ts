// Generated from schemas/agent.v1.json by npm run generate. Do not edit.

/**
 * Configuration of an agent: agents/NAME.yaml.
 */
export interface AgentFile {
  /**
   * Name of this host, as in the cluster specs.
   */
  readonly name: string;
  /**
   * host:port at which the controller reaches this agent.
   */
  readonly listen: string;
  /**
   * Folder of everything that the agent keeps: data dirs, keys, logs. Relative paths start at the folder of this file.
   */
  readonly dataDir: string;
  /**
   * How this program shows who it is, and whom it trusts. Relative paths start at the folder of this file.
   */
  readonly identity: {
    /**
     * Certificate of the authority of the fleet, PEM.
     */
    readonly ca: string;
    /**
     * Own certificate, PEM.
     */
    readonly cert: string;
    /**
     * Its private key, PEM; readable by the owner only.
     */
    readonly key: string;
  };
  /**
   * Where etcd comes from.
   */
  readonly binaries: {
    /**
     * Folders that are searched first, for etcd itself and for folders named etcd-vX.Y.Z*.
     *
     * @maxItems 32
     */
    readonly dirs: readonly string[];
    /**
     * Where releases are fetched from, in this order: official archives checked against SHA256SUMS, signed Debian packages, the Go module proxy.
     *
     * @maxItems 3
     */
    readonly sources: readonly ('release' | 'debian' | 'go')[];
    /**
     * Base URL of official archives, for a mirror: URL/vX.Y.Z/etcd-vX.Y.Z-linux-amd64.tar.gz.
     */
    readonly releaseUrl?: string | undefined;
    /**
     * Folder of fetched releases; by default the cache of the user that runs the agent, which `quorate binaries fetch` fills too.
     */
    readonly cache?: string | undefined;
  };
  /**
   * process: members run as detached processes of this agent.
   */
  readonly runtime: 'process';
  /**
   * Logging.
   */
  readonly log: {
    /**
     * The least important lines that are written.
     */
    readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  };
  /**
   * Data dirs that were put aside.
   */
  readonly archives: {
    /**
     * Archived data dirs older than this are deleted, never the newest.
     */
    readonly keepDays: number;
    /**
     * With less free space than this, the oldest archives are deleted sooner, never the newest.
     */
    readonly minFreeBytes: string;
  };
}
