// Generated from schemas/controller.v1.json by npm run generate. Do not edit.

/**
 * Configuration of a controller: controller.yaml.
 */
export interface ControllerFile {
  /**
   * Where the cluster specs are.
   */
  readonly git: {
    /**
     * The repository: a folder on this machine (relative to the folder of this file), or an ssh or https URL without a password.
     */
    readonly url: string;
    /**
     * Branch or tag that is followed.
     */
    readonly ref: string;
    /**
     * Folder in the repository that holds the cluster specs; . for all of it.
     */
    readonly path: string;
    /**
     * How often a remote repository is asked for new commits; a local one is watched.
     */
    readonly poll: string;
  };
  /**
   * Folder of the controller: authorities, leases, last good specs. Relative paths start at the folder of this file.
   */
  readonly state: string;
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
   * Where etcd comes from for drills, which restore backups on the host of the controller. What is fetched is kept in the state folder.
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
  };
  /**
   * Reserved for the status page and API, which this release does not serve yet.
   */
  readonly http?:
    | {
        /**
         * host:port of the status page and API; port 0 takes any free one.
         */
        readonly listen: string;
      }
    | undefined;
  /**
   * How several controllers agree on who acts.
   */
  readonly coordination: {
    /**
     * local: one controller at a time, by leases in the state folder.
     */
    readonly type: 'local';
  };
  /**
   * Protection of the authorities' keys in the state folder; without it they rely on file permissions alone.
   */
  readonly keystore?:
    | {
        /**
         * File, mode 0600, with the passphrase that the keys of the authorities are encrypted under. $QUORATE_KEYSTORE_PASSPHRASE wins over it.
         */
        readonly passphraseFile: string;
      }
    | undefined;
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
   * How often each cluster is looked at when nothing has changed.
   */
  readonly interval: string;
}
