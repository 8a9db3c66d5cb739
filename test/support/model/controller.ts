import { BackupCatalog } from '../../../src/backup/catalog.ts';
import type { BackupProof, ObjectStore } from '../../../src/backup/store.ts';
import { storeUnreachable } from '../../../src/backup/store-errors.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { type Pass, reconcile } from '../../../src/controller/reconcile.ts';
import type { Lease } from '../../../src/coordination/coordination.ts';
import type { Sight } from '../../../src/observe/sight.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { agentModel } from './agent-model.ts';
import { type CallFault, Calls } from './calls.ts';
import { etcdModel, probeModel } from './etcd-model.ts';
import { Oracle } from './oracle.ts';
import { digest, paperKeystore } from './paper-certificates.ts';
import { processClock } from './process-clock.ts';
import type { ModelWorld } from './world.ts';

/** How long one call takes, in virtual milliseconds. */
const callMs = 1;

/** One process of the controller in a world. It may die at any call; its successor is another one of these. */
export class ModelController {
  readonly calls: Calls;
  readonly sight: Sight;
  readonly lease: Lease;
  readonly #world: ModelWorld;
  readonly #stateDir: string;
  readonly #oracle: Oracle;

  constructor(world: ModelWorld, lease: Lease, options: { readonly stateDir: string; readonly fault?: CallFault }) {
    const { state } = world;
    this.#world = world;
    this.#stateDir = options.stateDir;
    this.lease = lease;
    this.calls = new Calls(options.fault, () => world.advanceTo(state.nowMs + callMs));
    this.#oracle = new Oracle(state);
    const parts = { state, calls: this.calls, oracle: this.#oracle, settle: () => world.settle() };
    const store = gatedStore(world.store, this.calls, this.#oracle);
    const keystore = paperKeystore(state);
    const lost = (): never => {
      throw new QuorateError({
        code: 'keystore-failed',
        kind: 'transient',
        operation: 'use the keystore',
        summary: 'EIO',
      });
    };
    this.sight = {
      clock: processClock(world, this.calls),
      agent: (host) => agentModel(host.name, parts),
      etcd: async (endpoints) =>
        Object.keys(state.authorities).length === 0 ? undefined : etcdModel(endpoints, parts),
      probe: probeModel(state, this.calls),
      store,
      catalog: new BackupCatalog(store),
      keystore: {
        authorities: (cluster) =>
          this.calls.call(
            'keystore: authorities',
            () => (state.isKeystoreAway ? lost() : keystore.authorities(cluster)),
            lost,
          ),
        ensureAuthority: (cluster, name, validityMs) =>
          this.calls.call('keystore: ensure', () => keystore.ensureAuthority(cluster, name, validityMs), lost),
        issueLeaf: (cluster, name, request) =>
          this.calls.call('keystore: issue', () => keystore.issueLeaf(cluster, name, request), lost),
      },
    };
  }

  /** One pass over the cluster, as the controller makes it; `died` when the fault killed it. */
  async pass(spec: ClusterSpec, shouldStop: () => string | undefined = () => undefined): Promise<Pass | 'died'> {
    this.#world.declare(spec);
    this.#oracle.runBegins();
    return Promise.race([
      this.calls.died,
      reconcile({
        spec,
        commit: commitOf(spec),
        sight: this.sight,
        lease: this.lease,
        stateDir: this.#stateDir,
        actor: 'controller',
        log: silentLogger,
        shouldStop,
      }),
    ]);
  }
}

/** Leases of a world: every one has a higher epoch than the one before. A dead holder holds nothing. */
export function nextLease(world: ModelWorld): Lease {
  world.state.epoch += 1;
  return {
    held: true,
    epoch: world.state.epoch,
    lost: new AbortController().signal,
    release: async () => undefined,
  };
}

export function commitOf(spec: ClusterSpec): string {
  return digest(JSON.stringify(spec), 40);
}

/** The same store, through the counted calls of one controller. */
function gatedStore(store: ObjectStore, calls: Calls, oracle: Oracle): ObjectStore {
  const gone = (): never => {
    throw storeUnreachable('use the store', 'the connection was reset', 'Try again.');
  };
  return {
    url: store.url,
    removeUnfinishedUploads: (beforeMs) => store.removeUnfinishedUploads(beforeMs),
    list: (prefix) => calls.call(`store: list ${prefix}`, () => store.list(prefix), gone),
    read: (key) => calls.call(`store: read ${key}`, () => store.read(key), gone),
    open: (key) => calls.call(`store: open ${key}`, () => store.open(key), gone),
    write: (key, content, condition) =>
      calls.call(
        `store: write ${key}`,
        async () => {
          await store.write(key, content, condition);
          if (!key.endsWith('/_quorate.json')) return;
          const proof = JSON.parse(content) as BackupProof;
          oracle.backupTaken(proof.clusterId, proof.revision);
        },
        gone,
      ),
    writeStream: (key, content) => calls.call(`store: stream ${key}`, () => store.writeStream(key, content), gone),
    delete: (key) => calls.call(`store: delete ${key}`, () => store.delete(key), gone),
  };
}
