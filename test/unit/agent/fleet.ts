import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAgent } from '../../../src/agent/client.ts';
import { type AgentTuning, type RunningAgent, startAgent } from '../../../src/agent/daemon.ts';
import type { Identity, IdentityFiles } from '../../../src/agent/identity.ts';
import { clustersFolder, memberPaths } from '../../../src/agent/paths.ts';
import { findByArgument } from '../../../src/agent/procfs.ts';
import type { AgentClient, AgentCommands, HostFacts, MemberFacts, StartRequest } from '../../../src/agent/wire.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { Binaries } from '../../../src/etcd/binaries.ts';
import type { TrustDomain } from '../../../src/spec/cluster-spec.ts';
import {
  type CertificateAndKey,
  createFleetAuthority,
  type FleetRole,
  issueFleetCertificate,
} from '../../../src/tls/fleet.ts';
import type { Keystore } from '../../../src/tls/keystore.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';

const yearMs = 31_536_000_000;

/** A fleet in a temp folder: its CA, its certificates, and one data dir for each host. */
export interface Fleet {
  readonly folder: string;
  readonly authority: CertificateAndKey;
  readonly keystore: Keystore;
  identity(role: FleetRole, authority?: CertificateAndKey): Promise<Identity>;
  /** Ends every etcd below the folder and removes it. */
  remove(): Promise<void>;
}

export async function makeFleet(): Promise<Fleet> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-agent-'));
  const authority = await createFleetAuthority(systemClock);
  const keystore = createMemoryKeystore({ clock: systemClock });
  return {
    folder,
    authority,
    keystore,
    identity: async (role, signer = authority) => {
      const made = await issueFleetCertificate(signer, role, systemClock);
      return { ca: authority.certificate, cert: made.certificate, key: made.key };
    },
    remove: async () => {
      await endEverything(folder);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function writeIdentity(folder: string, identity: Identity): Promise<IdentityFiles> {
  await mkdir(folder, { recursive: true });
  const files = { ca: join(folder, 'ca.crt'), cert: join(folder, 'host.crt'), key: join(folder, 'host.key') };
  await writeFile(files.ca, identity.ca);
  await writeFile(files.cert, identity.cert);
  await writeFile(files.key, identity.key, { mode: 0o600 });
  return files;
}

export interface TestHost {
  readonly name: string;
  readonly dataDir: string;
  readonly files: IdentityFiles;
  readonly agent: RunningAgent;
  /** With the controller's certificate. */
  readonly client: AgentClient;
}

const noBinaries: Binaries = {
  list: async () => [],
  ensure: async (version) => {
    throw new Error(`this test needs no etcd, but asked for ${version}`);
  },
};

export interface HostOptions {
  readonly binaries?: Binaries;
  readonly tuning?: Partial<AgentTuning>;
  readonly log?: Logger;
}

export async function startHost(fleet: Fleet, name: string, options: HostOptions = {}): Promise<TestHost> {
  const files = await writeIdentity(
    join(fleet.folder, 'pki', name),
    await fleet.identity({ kind: 'agent', name, address: '127.0.0.1' }),
  );
  const dataDir = join(fleet.folder, name);
  const agent = await startAgent({
    config: {
      name,
      listen: { host: '127.0.0.1', port: 0 },
      dataDir,
      identity: files,
      archives: { keepDays: 30, minFreeBytes: 0 },
    },
    binaries: options.binaries ?? noBinaries,
    clock: systemClock,
    log: options.log ?? silentLogger,
    tuning: options.tuning,
  });
  return { name, dataDir, files, agent, client: await connect(fleet, agent.url, name) };
}

export async function connect(
  fleet: Fleet,
  url: string,
  name: string,
  role: FleetRole = { kind: 'controller' },
): Promise<AgentClient> {
  const identity = await fleet.identity(role);
  return connectAgent({ url, expectedHost: name, identity: async () => identity });
}

export async function closeHost(host: TestHost): Promise<void> {
  await host.client.close();
  await host.agent.close();
}

/** Trust and leaves of both domains, as the controller brings them. */
export async function provision(fleet: Fleet, commands: AgentCommands, cluster: string, member: string): Promise<void> {
  for (const domain of ['peer', 'client'] as const) {
    const authority = await fleet.keystore.ensureAuthority(cluster, `${domain}-1`, yearMs);
    await commands.writeTrust({ domain, bundle: authority.certificate });
    await commands.installCertificate({ domain, certificate: await leafFor(fleet, commands, cluster, member, domain) });
  }
}

async function leafFor(
  fleet: Fleet,
  commands: AgentCommands,
  cluster: string,
  member: string,
  domain: TrustDomain,
): Promise<string> {
  const csr = await commands.createCsr({ domain, keyType: 'ecdsa-p256' });
  const sans = [member, 'localhost', '127.0.0.1', '::1'];
  return fleet.keystore.issueLeaf(cluster, `${domain}-1`, { csr, commonName: member, sans, validityMs: yearMs });
}

/** A cluster of one member on free ports. */
export async function singleMember(version: string, member: string, bootstrapId = 'first'): Promise<StartRequest> {
  const [client, peer] = [await freePort(), await freePort()];
  const peerUrl = `https://127.0.0.1:${peer}`;
  return {
    member,
    version,
    flags: {
      'listen-client-urls': `https://127.0.0.1:${client}`,
      'advertise-client-urls': `https://127.0.0.1:${client}`,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      ...(version.startsWith('3.4.') ? { logger: 'zap' } : {}),
    },
    join: { state: 'new', initialCluster: `${member}=${peerUrl}`, token: `t-${member}`, bootstrapId },
    electionTimeoutMs: 1000,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits until the facts of a cluster satisfy `isThere`; fails with the last ones otherwise. */
export async function waitForFacts(
  client: AgentClient,
  cluster: string,
  isThere: (facts: MemberFacts, host: HostFacts) => boolean,
): Promise<MemberFacts> {
  let last: MemberFacts | undefined;
  const waited = await waitUntil(systemClock, { timeoutMs: 15_000, intervalMs: 50 }, async () => {
    const host = await client.facts();
    last = host.clusters[cluster];
    return last !== undefined && isThere(last, host) ? last : undefined;
  });
  if (!waited.seen) throw new Error(`not seen in time: ${JSON.stringify(last, undefined, 2)}`);
  return waited.value;
}

/** Waits until something holds; fails with what was waited for otherwise. */
export async function waitFor(what: string, isThere: () => Promise<boolean>): Promise<void> {
  const options = { timeoutMs: 15_000, intervalMs: 20 };
  const waited = await waitUntil(systemClock, options, async () => ((await isThere()) ? true : undefined));
  if (!waited.seen) throw new Error(`not seen in time: ${what}`);
}

async function endEverything(folder: string): Promise<void> {
  for (const host of await readdir(folder)) {
    const clusters = await readdir(clustersFolder(join(folder, host))).catch((): string[] => []);
    for (const cluster of clusters) {
      const argument = `--data-dir=${memberPaths(join(folder, host), cluster).data}`;
      // Each round ends one; two of them on one data dir would be a fault that a test has found.
      for (let round = 0; round < 3; round++) {
        const found = await findByArgument(argument);
        if (found === undefined) break;
        process.kill(found.pid, 'SIGKILL');
        await waitFor(`the end of ${found.pid}`, async () => (await findByArgument(argument))?.pid !== found.pid);
      }
    }
  }
}
