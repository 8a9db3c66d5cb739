import { type BackupOrigin, clusterOrigin } from '../apply/backup-origin.ts';
import { endpointsOrigin } from '../apply/endpoints-origin.ts';
import { otherCluster } from '../apply/periodic-backup.ts';
import { BackupCatalog } from '../backup/catalog.ts';
import { openStore } from '../backup/open-store.ts';
import { readRecord } from '../backup/record.ts';
import type { ObjectStore } from '../backup/store.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import type { Schedule } from '../base/schedule.ts';
import { connectEtcd } from '../etcd/client.ts';
import { observe } from '../observe/observe.ts';
import { readAnyEtcd } from './any-etcd.ts';
import { checkReplaces, checkSameCluster } from './backup-same-cluster.ts';
import { checkStored } from './backup-stored.ts';
import { desiredAt, selectOne, withWorld } from './context.ts';

/** Where backups are: in the store of a cluster of Git, or in one that is named on the command line. */
export interface PlaceOptions {
  readonly config?: string;
  readonly cluster?: string;
  readonly store?: string;
}

/** Whom to back up: the cluster of Git, or any etcd by its client URLs. */
export interface OriginOptions extends PlaceOptions {
  readonly endpoints?: readonly string[];
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Id of the cluster that the backups in the store are of, when another has taken its place. */
  readonly replaces?: string;
}

export interface BackupPlace {
  readonly cluster: string;
  readonly store: ObjectStore;
  readonly catalog: BackupCatalog;
  readonly clock: Clock;
  /** Commit of the spec; null without one. */
  readonly commit: string | null;
  /** `spec.backup.every`. */
  readonly schedule: Schedule | undefined;
}

export interface BackupSubject extends BackupPlace {
  /** Looks for a member to read from, and lends it: what is opened for it is closed after `work`. */
  readonly withOrigin: <T>(work: (origin: BackupOrigin) => Promise<T>) => Promise<T>;
}

/** Opens what the options name for one command: the store alone. */
export async function withPlace<T>(options: PlaceOptions, work: (place: BackupPlace) => Promise<T>): Promise<T> {
  const { store } = options;
  if (store !== undefined) return work(await storedPlace({ ...options, store }));
  return withWorld(options.config, async (world) => {
    const { spec, commit } = selectOne(await desiredAt(world, undefined), options.cluster);
    const { catalog, clock, store: own } = await world.sight(spec);
    return work({ cluster: spec.name, store: own, catalog, clock, commit, schedule: spec.backup.every });
  });
}

/** Opens what the options name for one command: the store, and the etcd to read from. */
export async function withSubject<T>(options: OriginOptions, work: (subject: BackupSubject) => Promise<T>): Promise<T> {
  const { endpoints, store } = options;
  if (endpoints !== undefined) {
    if (store === undefined) throw unclear('--endpoints needs --store URL and --cluster NAME');
    // Before anything else: what is wrong with the options is said at once.
    await readAnyEtcd('--endpoints', { ...options, endpoints });
    checkReplaces(options.replaces);
    const place = await namedPlace({ ...options, store }, originRemedy);
    return work({ ...place, withOrigin: (use) => lendEndpoints(place, { ...options, endpoints }, use) });
  }
  if (store !== undefined) throw unclear('--store goes with --endpoints; without them, the spec names the store');
  if ([options.cacert, options.cert, options.key].some((file) => file !== undefined))
    throw unclear('--cacert, --cert and --key go with --endpoints; otherwise the keystore gives the certificate');
  if (options.replaces !== undefined)
    throw unclear('--replaces goes with --endpoints; otherwise the record in the store says which cluster it is');
  return withWorld(options.config, async (world) => {
    const selected = selectOne(await desiredAt(world, undefined), options.cluster);
    const { catalog, clock, store: own } = await world.sight(selected.spec);
    return work({
      cluster: selected.name,
      store: own,
      catalog,
      clock,
      commit: selected.commit,
      schedule: selected.spec.backup.every,
      withOrigin: async (use) => {
        // Hosts come and go while `watch` runs. Without Git, those that were known before have to do.
        const { spec } = await desiredAt(world, undefined).then(
          (desired) => selectOne(desired, selected.name),
          () => selected,
        );
        const sight = await world.sight(spec);
        return use(await clusterOrigin(await observe(spec, sight), sight));
      },
    });
  });
}

/** The store of `--store` and `--cluster`, where something has to be already. Rejects with `options-unclear` and `store-not-found`. */
export async function storedPlace(options: PlaceOptions & { store: string }): Promise<BackupPlace> {
  const place = await namedPlace(options, storeRemedy);
  await checkStored(options.store, place);
  return place;
}

/** The same where it may still have to be made. Rejects with `options-unclear`. */
async function namedPlace(
  { config, cluster, store: url }: PlaceOptions & { store: string },
  remedy: string,
): Promise<BackupPlace> {
  if (config !== undefined) throw unclear('--store and --config both say where the backups are', remedy);
  if (cluster === undefined)
    throw unclear('--store needs --cluster NAME: backups are in a folder of that name in it', remedy);
  const clock = systemClock;
  const store = await openStore(url, cluster, { log: silentLogger, clock });
  return { cluster, store, catalog: new BackupCatalog(store), clock, commit: null, schedule: undefined };
}

/** Connects anew each time, with the certificate that is in the files then: it may be renewed while `watch` runs. */
async function lendEndpoints<T>(
  place: BackupPlace,
  options: OriginOptions & { readonly endpoints: readonly string[] },
  use: (origin: BackupOrigin) => Promise<T>,
): Promise<T> {
  const { cluster, clock, store } = place;
  const { endpoints, credentials } = await readAnyEtcd('--endpoints', options);
  const etcd = connectEtcd({ endpoints, credentials, clock });
  try {
    const origin = await endpointsOrigin(etcd, endpoints, cluster);
    // A store that a controller keeps may be written to, but only with backups of its own cluster.
    const recordedId = (await readRecord(store, cluster))?.record.clusterId ?? null;
    if (recordedId !== null && recordedId !== origin.clusterId)
      throw otherCluster({ cluster, clusterId: recordedId, store }, origin.clusterId);
    // Without a record, the backups that are there say whose the store is.
    if (recordedId === null) await checkSameCluster(place, origin.clusterId, options.replaces);
    return await use(origin);
  } finally {
    etcd.close();
  }
}

const storeRemedy =
  'Say --config FILE for a cluster of Git; or --store URL and --cluster NAME for a store without one.';
const originRemedy =
  'Say --config FILE for a cluster of Git; or, for any etcd, --endpoints with --store and --cluster.';

function unclear(summary: string, remedy = originRemedy): QuorateError {
  return new QuorateError({
    code: 'options-unclear',
    kind: 'invalid',
    operation: 'read the options',
    summary,
    remedy,
  });
}
