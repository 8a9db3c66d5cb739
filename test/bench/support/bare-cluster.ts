import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/base/clock.ts';
import { ensureFolder, replaceFile } from '../../../src/base/files.ts';
import { freePortRow } from '../../../src/cli/demo/loopback-ports.ts';
import type { EtcdBinary } from '../../../src/etcd/binaries.ts';
import { memberFlags } from '../../../src/etcd/flags.ts';
import { restoreCommand } from '../../../src/etcd/snapshot-tool.ts';
import { type ClusterSpec, clientUrl, type HostSpec, peerUrl } from '../../../src/spec/cluster-spec.ts';
import { issueClientCredentials } from '../../../src/tls/client-credentials.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { createKeyAndCsr } from '../../../src/tls/leaf.ts';
import { memberNames } from '../../../src/tls/names.ts';

const run = promisify(execFile);
const domains = ['peer', 'client'] as const;

/**
 * etcd as somebody with practice would start it by hand: the same release, flags and mutual TLS as the cluster of a
 * spec, certificates made beforehand, nothing else.
 */
export class BareCluster {
  readonly credentials: ClientCredentials;
  readonly hosts: readonly HostSpec[];
  readonly #folder: string;
  readonly #spec: ClusterSpec;
  readonly #binary: EtcdBinary;
  readonly #members = new Map<string, ChildProcess>();
  #generation = 0;

  private constructor(folder: string, spec: ClusterSpec, binary: EtcdBinary, credentials: ClientCredentials) {
    this.#folder = folder;
    this.#spec = spec;
    this.#binary = binary;
    this.hosts = spec.hosts.slice(0, spec.members);
    this.credentials = credentials;
  }

  /** Makes certificates and chooses ports; starts nothing. */
  static async prepare(folder: string, like: ClusterSpec, binary: EtcdBinary): Promise<BareCluster> {
    const first = await freePortRow(like.hosts.length * 3);
    const hosts = like.hosts.map((host, index) => {
      const client = first + index * 3;
      return { ...host, ports: { client, peer: client + 1, metrics: client + 2, quarantine: client + 3 } };
    });
    const keystore = await openFileKeystore({ folder: join(folder, 'keystore'), clock: systemClock });
    for (const [name, { validityMs }] of Object.entries(like.tls.authorities))
      await keystore.ensureAuthority(like.name, name, validityMs);
    const authorities = await keystore.authorities(like.name);
    for (const host of hosts) {
      for (const domain of domains) {
        const { key, csr } = await createKeyAndCsr(like.tls.leaf.keyType);
        const certificate = await keystore.issueLeaf(like.name, like.tls[domain].issue, {
          csr,
          commonName: host.name,
          sans: memberNames(host.name, host.address),
          validityMs: like.tls.leaf.validityMs,
        });
        const trust = like.tls[domain].trust.map((name) => authorities[name]?.certificate ?? '').join('');
        await ensureFolder(join(folder, 'tls', host.name));
        await replaceFile(join(folder, 'tls', host.name, `${domain}.pem`), `${certificate}${key}`);
        await replaceFile(join(folder, 'tls', host.name, `${domain}-ca.pem`), trust);
      }
    }
    const credentials = await issueClientCredentials({
      keystore,
      cluster: like.name,
      ...like.tls.client,
      clock: systemClock,
      commonName: 'bench',
    });
    await replaceFile(join(folder, 'client.pem'), `${credentials.certificate}${credentials.key}`);
    await replaceFile(join(folder, 'client-ca.pem'), credentials.ca);
    return new BareCluster(folder, { ...like, hosts }, binary, credentials);
  }

  get endpoints(): readonly string[] {
    return this.hosts.map(clientUrl);
  }

  pidOf(host: string): number {
    return this.#members.get(host)?.pid ?? 0;
  }

  /** Every member at once, on data dirs that are new. `flags` come on top of those of the spec. */
  async startAnew(flags: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#generation += 1;
    await ensureFolder(this.#dataFolder());
    await Promise.all(this.hosts.map(({ name }) => this.startMember(name, flags)));
  }

  /** Restores a snapshot with the release's own tool into new data dirs, one after the other, and starts all of them. */
  async startRestored(snapshotFile: string): Promise<void> {
    this.#generation += 1;
    await ensureFolder(this.#dataFolder());
    for (const host of this.hosts) {
      const { program, args } = restoreCommand(this.#binary, {
        snapshotFile,
        dataDir: join(this.#dataFolder(), host.name),
        member: host.name,
        peerUrl: peerUrl(host),
        initialCluster: this.#initialCluster(),
        token: `bare-${this.#generation}`,
        bumpRevision: 0,
      });
      await run(program, args, { timeout: 600_000 });
    }
    await Promise.all(this.hosts.map(({ name }) => this.startMember(name)));
  }

  /** `flags` come on top of those of the spec. */
  async startMember(name: string, flags: Readonly<Record<string, string>> = {}): Promise<void> {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new Error(`the bare cluster has no member ${name}`);
    const log = await open(join(this.#folder, `${name}.log`), 'a', 0o600);
    try {
      const child = spawn(this.#binary.etcd, this.#arguments(host, flags), {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
      });
      this.#members.set(name, child);
      await once(child, 'spawn');
    } finally {
      await log.close();
    }
  }

  /** TERM, and resolves when the process is gone. */
  async stopMember(name: string): Promise<void> {
    const child = this.#members.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  /** No need for grace: the data is not used again. */
  async kill(): Promise<void> {
    await Promise.all(
      [...this.#members.values()].map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
    this.#members.clear();
  }

  /** Of a client, for the flags that etcdctl and Quorate call by these names. */
  get clientFiles(): { readonly cacert: string; readonly cert: string; readonly key: string } {
    const file = join(this.#folder, 'client.pem');
    return { cacert: join(this.#folder, 'client-ca.pem'), cert: file, key: file };
  }

  /** The program and its arguments. Needs a release that came with etcdctl. */
  etcdctlCommand(endpoints: readonly string[], ...args: readonly string[]): readonly [string, ...string[]] {
    const { cacert, cert, key } = this.clientFiles;
    const tls = ['--cacert', cacert, '--cert', cert, '--key', key];
    return [this.#binary.etcdctl ?? 'etcdctl', ...tls, '--endpoints', endpoints.join(','), ...args];
  }

  /** Gives what it prints. */
  async etcdctl(endpoints: readonly string[], ...args: readonly string[]): Promise<string> {
    const [program, ...all] = this.etcdctlCommand(endpoints, ...args);
    const { stdout } = await run(program, all, { timeout: 600_000 });
    return stdout;
  }

  #initialCluster(): string {
    return this.hosts.map((member) => `${member.name}=${peerUrl(member)}`).join(',');
  }

  #dataFolder(): string {
    return join(this.#folder, `data-${this.#generation}`);
  }

  #arguments(host: HostSpec, flags: Readonly<Record<string, string>>): readonly string[] {
    const file = (name: string): string => join(this.#folder, 'tls', host.name, name);
    const all = {
      ...memberFlags(this.#spec, host),
      ...flags,
      name: host.name,
      'data-dir': join(this.#dataFolder(), host.name),
      'initial-cluster': this.#initialCluster(),
      'initial-cluster-token': `bare-${this.#generation}`,
      'initial-cluster-state': 'new',
      'cert-file': file('client.pem'),
      'key-file': file('client.pem'),
      'trusted-ca-file': file('client-ca.pem'),
      'peer-cert-file': file('peer.pem'),
      'peer-key-file': file('peer.pem'),
      'peer-trusted-ca-file': file('peer-ca.pem'),
      'log-outputs': 'stderr',
    };
    return Object.entries(all).map(([name, value]) => `--${name}=${value}`);
  }
}
