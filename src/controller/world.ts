import { join } from 'node:path';
import { connectAgent } from '../agent/client.ts';
import { readIdentity } from '../agent/identity.ts';
import type { AgentClient } from '../agent/wire.ts';
import { BackupCatalog } from '../backup/catalog.ts';
import { openStore } from '../backup/open-store.ts';
import { openStoreMemory } from '../backup/store-memory.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { ensureFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import type { Coordination } from '../coordination/coordination.ts';
import { openLocalCoordination } from '../coordination/local-lease.ts';
import type { Sight } from '../observe/sight.ts';
import { openRepository, type Repository } from '../source/repository.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { openFileKeystore } from '../tls/file-keystore.ts';
import type { Keystore } from '../tls/keystore.ts';
import { readPassphrase } from '../tls/passphrase.ts';
import { openBinaries } from './binaries.ts';
import type { ControllerConfig } from './config.ts';
import { EtcdClients } from './etcd-clients.ts';
import type { Chore } from './upkeep/chore.ts';
import { createChores } from './upkeep/chores.ts';

/** The real things, made once for a process and handed to everything that works with them. */
export interface World {
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly repository: Repository;
  readonly keystore: Keystore;
  readonly coordination: Coordination;
  /** What is done for each cluster beside its changes. */
  readonly chores: readonly Chore[];
  /** The channel to an agent; kept and reused. */
  agent(host: { readonly name: string; readonly agent: string }): AgentClient;
  /** Eyes and hands for one cluster; kept and reused while its store stays the same. */
  sight(spec: ClusterSpec): Promise<Sight>;
  close(): Promise<void>;
}

export async function openWorld(config: ControllerConfig, log: Logger): Promise<World> {
  const clock = systemClock;
  await ensureFolder(config.state);
  const keystore = await openFileKeystore({
    folder: join(config.state, 'keystore'),
    clock,
    passphrase: await readPassphrase(process.env, config.keystore?.passphraseFile),
  });
  const repository = await openRepository({ ...config.git, cacheDir: join(config.state, 'git'), log, clock });
  const coordination = openLocalCoordination({ stateDir: config.state, clock, log });
  const memory = openStoreMemory(join(config.state, 'stores'));
  const agents = new Map<string, AgentClient>();
  const etcds = new Map<string, EtcdClients>();
  const sights = new Map<string, Sight>();

  function agent(host: { readonly name: string; readonly agent: string }): AgentClient {
    const key = `${host.name} ${host.agent}`;
    const client =
      agents.get(key) ??
      connectAgent({ url: host.agent, expectedHost: host.name, identity: () => readIdentity(config.identity) });
    agents.set(key, client);
    return client;
  }

  return {
    config,
    clock,
    log,
    repository,
    keystore,
    coordination,
    chores: createChores(openBinaries(config, clock, log)),
    agent,
    sight: async (spec) => {
      const key = `${spec.name} ${spec.backup.store}`;
      const existing = sights.get(key);
      const clients = etcds.get(spec.name) ?? new EtcdClients(spec.name, keystore, clock);
      etcds.set(spec.name, clients);
      clients.trust(spec.tls.client);
      if (existing !== undefined) return existing;
      const store = await openStore(spec.backup.store, spec.name, { log, memory, clock });
      const sight: Sight = {
        clock,
        agent,
        store,
        catalog: new BackupCatalog(store),
        keystore,
        etcd: (endpoints) => clients.connect(endpoints),
        probe: clients.probe,
      };
      sights.set(key, sight);
      return sight;
    },
    close: async () => {
      for (const clients of etcds.values()) clients.close();
      await Promise.all([...agents.values()].map((client) => client.close()));
      repository.close();
    },
  };
}
