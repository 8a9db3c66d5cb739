import type { AgentClient } from '../agent/wire.ts';
import type { BackupCatalog } from '../backup/catalog.ts';
import type { ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import type { EtcdApi, MemberProbe } from '../etcd/api.ts';
import type { Keystore } from '../tls/keystore.ts';

/** Everything through which one cluster is seen and acted on. Made by `controller/world.ts`; tests hand in a model. */
export interface Sight {
  readonly clock: Clock;
  /** A channel to the agent of a host; kept and reused. */
  agent(host: { readonly name: string; readonly agent: string }): AgentClient;
  /** A client for these client URLs; undefined while no authority exists that could sign its certificate. */
  etcd(endpoints: readonly string[]): Promise<EtcdApi | undefined>;
  readonly probe: MemberProbe;
  /** The cluster's own part of the store. */
  readonly store: ObjectStore;
  /** The backups in it; kept from one look to the next, so that a look costs one listing. */
  readonly catalog: BackupCatalog;
  readonly keystore: Keystore;
}
