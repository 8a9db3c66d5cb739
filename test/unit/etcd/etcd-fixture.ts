import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { EtcdBinary } from '../../../src/etcd/binaries.ts';
import { memberFlags } from '../../../src/etcd/flags.ts';
import { createMemberProbe } from '../../../src/etcd/probe.ts';
import { type ClusterSpec, clientUrl, type HostSpec, peerUrl } from '../../../src/spec/cluster-spec.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { createKeyAndCsr } from '../../../src/tls/leaf.ts';
import { memberNames } from '../../../src/tls/names.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';

const dayMs = 86_400_000;

export interface TestPki {
  readonly ca: string;
  /** A leaf for servers and clients with its key; PEM. */
  leaf(name: string): Promise<ClientCredentials>;
}

export async function createTestPki(seed = 'one'): Promise<TestPki> {
  const keystore = createMemoryKeystore({ clock: systemClock, seed });
  const { certificate: ca } = await keystore.ensureAuthority('orders', 'ca', 30 * dayMs);
  return {
    ca,
    leaf: async (name) => {
      const { key, csr } = await createKeyAndCsr('ecdsa-p256');
      const request = { csr, commonName: name, sans: memberNames(name, '127.0.0.1'), validityMs: dayMs };
      return { ca, key, certificate: await keystore.issueLeaf('orders', 'ca', request) };
    },
  };
}

export function testSpec(version: string, etcd: Readonly<Record<string, string>> = {}): ClusterSpec {
  const trust = { trust: ['ca'], issue: 'ca' };
  return {
    name: 'orders',
    version,
    members: 1,
    hosts: [],
    etcd,
    tls: {
      authorities: { ca: { kind: 'managed', validityMs: dayMs } },
      peer: trust,
      client: trust,
      leaf: { validityMs: dayMs, keyType: 'ecdsa-p256' },
    },
    backup: { store: 'file:///nowhere', drill: 'never' },
    upgrade: { strategy: 'rolling', allowDowngrade: false },
    replace: { wipedDisk: 'automatic' },
    suspend: false,
  };
}

/** Ports that nobody listens on, all different. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => promisify(server.close.bind(server))()));
  return ports;
}

export interface TestMember {
  readonly host: HostSpec;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly pid: number;
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it again with the data that it has, and waits until it is healthy. */
  start(): Promise<void>;
}

export interface TestCluster {
  readonly spec: ClusterSpec;
  readonly pki: TestPki;
  readonly credentials: ClientCredentials;
  /** Ports and address for a member that does not run yet. */
  newHost(name: string): Promise<HostSpec>;
  /** Starts a member; `peers` are the members that it knows, itself included. Healthy when `waits` is not false. */
  startMember(
    host: HostSpec,
    peers: readonly HostSpec[],
    state: 'new' | 'existing',
    waits?: boolean,
  ): Promise<TestMember>;
  etcdctl(member: TestMember, ...args: string[]): Promise<string>;
  /** Path of a file in the cluster's folder, for example `a.crt`. */
  file(name: string): string;
  close(): Promise<void>;
}

/** Real etcd with mutual TLS and the flags that Quorate would give it. */
export async function createTestCluster(
  binary: EtcdBinary,
  etcd: Readonly<Record<string, string>> = {},
): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-etcd-'));
  const pki = await createTestPki();
  const credentials = await pki.leaf('quorate');
  const spec = testSpec(binary.version, etcd);
  const running = new Set<ChildProcess>();
  await writeCredentials(folder, 'client', credentials);

  async function startMember(
    host: HostSpec,
    peers: readonly HostSpec[],
    state: 'new' | 'existing',
    waits = true,
  ): Promise<TestMember> {
    await writeCredentials(folder, host.name, await pki.leaf(host.name));
    const file = (kind: string): string => join(folder, `${host.name}.${kind}`);
    const flags = {
      ...memberFlags(spec, host),
      name: host.name,
      'data-dir': file('data'),
      'initial-cluster': peers.map((peer) => `${peer.name}=${peerUrl(peer)}`).join(','),
      'initial-cluster-state': state,
      ...tlsFlags('', file),
      ...tlsFlags('peer-', file),
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    const launch = async (): Promise<ChildProcess> => {
      const log = await open(file('log'), 'a');
      const child = spawn(binary.etcd, args, { stdio: ['ignore', log.fd, log.fd] });
      await log.close();
      running.add(child);
      child.once('exit', () => running.delete(child));
      return child;
    };
    const url = clientUrl(host);
    let child = await launch();
    if (waits) await untilHealthy(url, credentials);
    return {
      host,
      clientUrl: url,
      peerUrl: peerUrl(host),
      get pid() {
        return child.pid ?? 0;
      },
      kill: (signal) => killProcess(child, signal),
      start: async () => {
        child = await launch();
        await untilHealthy(url, credentials);
      },
    };
  }

  return {
    spec,
    pki,
    credentials,
    newHost: async (name) => {
      const [client = 0, peer = 0, metrics = 0, quarantine = 0] = await freePorts(4);
      return {
        name,
        agent: 'https://127.0.0.1:1',
        address: '127.0.0.1',
        cordon: false,
        ports: { client, peer, metrics, quarantine },
      };
    },
    startMember,
    etcdctl: async (member, ...args) => {
      const tls = ['--cacert', 'client.ca', '--cert', 'client.crt', '--key', 'client.key'];
      const { stdout } = await promisify(execFile)(
        binary.etcdctl ?? 'etcdctl-is-missing',
        ['--endpoints', member.clientUrl, ...tls, ...args],
        { cwd: folder, env: { ETCDCTL_API: '3' } },
      );
      return stdout;
    },
    file: (name) => join(folder, name),
    close: async () => {
      await Promise.all([...running].map((child) => killProcess(child, 'SIGKILL')));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function tlsFlags(prefix: '' | 'peer-', file: (kind: string) => string): Readonly<Record<string, string>> {
  return {
    [`${prefix}cert-file`]: file('crt'),
    [`${prefix}key-file`]: file('key'),
    [`${prefix}trusted-ca-file`]: file('ca'),
  };
}

async function writeCredentials(folder: string, name: string, credentials: ClientCredentials): Promise<void> {
  await writeFile(join(folder, `${name}.ca`), credentials.ca);
  await writeFile(join(folder, `${name}.crt`), credentials.certificate);
  await writeFile(join(folder, `${name}.key`), credentials.key, { mode: 0o600 });
}

async function killProcess(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  child.kill(signal);
  if (signal === 'SIGKILL' || signal === 'SIGTERM') await ended;
  else await untilStopped(child.pid ?? 0, signal === 'SIGSTOP');
}

/** A signal has been sent before it has been obeyed: looks for the state T in /proc. */
async function untilStopped(pid: number, isStopped: boolean): Promise<void> {
  await waitUntil(systemClock, { timeoutMs: 5000, intervalMs: 2 }, async () => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.includes(') T ') === isStopped ? true : undefined;
  });
}

async function untilHealthy(url: string, credentials: ClientCredentials): Promise<void> {
  const probe = createMemberProbe(() => credentials, systemClock);
  let last = '';
  const seen = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 20 }, async () => {
    const result = await probe.health(url);
    if (!result.healthy) last = result.reason;
    return result.healthy ? true : undefined;
  });
  if (!seen.seen) throw new Error(`${url} did not become healthy: ${last}`);
}
