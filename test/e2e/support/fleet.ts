import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'yaml';
import { systemClock } from '../../../src/base/clock.ts';
import { KeyWriter } from '../../../src/cli/demo/key-writer.ts';
import type { EtcdBinary } from '../../../src/etcd/binaries.ts';
import type { Minor } from '../../support/binaries.ts';
import { requireRelease, testBinaries } from '../../support/binaries.ts';
import { type ControllerRun, type RunOptions, runControllerOnce } from './controller-run.ts';
import { operatorCredentials, writeCredentials } from './credentials.ts';
import { Daemon } from './daemon.ts';
import { Etcdctl } from './etcdctl.ts';
import { eventually } from './eventually.ts';
import { editYaml, type FleetHost, type FleetPlan, makeFleetFolder } from './fleet-folder.ts';
import { killHard, processesWith } from './processes.ts';
import { cleanEnvironment, type Ended, ensureCompiled, mustRun, quorateArguments, run } from './program.ts';

/** Hosts on this machine with real agents, controllers, Git and etcd, all below one temp folder. */
export class Fleet {
  readonly folder: string;
  readonly version: string;
  readonly hosts: readonly FleetHost[];
  readonly config: string;
  readonly agents = new Map<string, Daemon>();
  /** The program that has `snapshot status`: etcdutl, or etcdctl before there was one. */
  readonly snapshotTool: string;
  readonly #etcdctlProgram: string;
  #etcdctl: Etcdctl | undefined;
  #controllers: Daemon[] = [];
  #writer: KeyWriter | undefined;

  private constructor(folder: string, binary: EtcdBinary, etcdctl: string, hosts: readonly FleetHost[]) {
    this.folder = folder;
    this.version = binary.version;
    this.hosts = hosts;
    this.config = join(folder, 'controller.yaml');
    this.snapshotTool = binary.etcdutl ?? etcdctl;
    this.#etcdctlProgram = etcdctl;
  }

  /** Files and the first commit; nothing runs yet. */
  static async make(minor: Minor, plan: Omit<FleetPlan, 'version' | 'etcd'> = {}): Promise<Fleet> {
    ensureCompiled();
    const version = requireRelease(minor);
    const binary = await (await testBinaries()).ensure(version);
    const { etcd, etcdctl } = binary;
    if (etcdctl === null) throw new Error(`etcd ${version} came without etcdctl`);
    const temporary = await realpath(await mkdtemp(join(tmpdir(), 'quorate-e2e-')));
    const folder = join(temporary, 'fleet');
    try {
      const fleet = new Fleet(folder, binary, etcdctl, await makeFleetFolder(folder, { ...plan, version, etcd }));
      await fleet.commit('Ports of this machine');
      return fleet;
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  /** `make`, and every agent serves. */
  static async start(...input: Parameters<typeof Fleet.make>): Promise<Fleet> {
    const fleet = await Fleet.make(...input);
    try {
      await fleet.startAgents();
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** Ends every process below the folder, detached ones too, proves that none is left, and removes the folder. */
  async close(): Promise<void> {
    await this.#writer?.close();
    const daemons = [...this.#controllers, ...this.agents.values()];
    for (const daemon of daemons) daemon.signal('SIGCONT');
    await Promise.all(daemons.map((daemon) => daemon.end('SIGKILL')));
    await killHard((await processesWith(this.folder)).map(({ pid }) => pid));
    const left = await processesWith(this.folder);
    await rm(join(this.folder, '..'), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    if (left.length > 0) throw new Error(`left behind: ${left.map(({ args }) => args.join(' ')).join('; ')}`);
  }

  // Desired state.

  get specFile(): string {
    return join(this.folder, 'repo', 'clusters', 'orders.yaml');
  }

  /** Edits the spec, commits, and gives the commit's full id. */
  async commit(message: string, edit: (document: Document) => void = () => undefined): Promise<string> {
    await editYaml(this.specFile, edit);
    return this.commitAll(message);
  }

  /** Commits whatever is in the work tree. */
  async commitAll(message: string): Promise<string> {
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  async git(...args: string[]): Promise<string> {
    const safe = ['-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgSign=false', '-c', 'gc.auto=0'];
    const { stdout } = await mustRun('git', [...safe, '-C', join(this.folder, 'repo'), ...args]);
    return stdout.trim();
  }

  // Quorate.

  once(options?: RunOptions): Promise<ControllerRun> {
    return runControllerOnce(this.config, options);
  }

  /** A run that ends in the declared state without complaint; throws what it said otherwise. */
  async converge(options?: RunOptions): Promise<ControllerRun> {
    const ended = await this.once(options);
    if (ended.code === 0 && ended.stderr === '') return ended;
    const log = ended.log.map(({ level, msg, code }) => `${level} ${msg} ${code ?? ''}`).join('\n');
    throw new Error(`the run ended with ${ended.code ?? 'SIGKILL'}: ${ended.stderr}\n${log}`);
  }

  quorate(...args: string[]): Promise<Ended> {
    return run(...quorateArguments(args), { env: { ...cleanEnvironment(), QUORATE_CONFIG: this.config } });
  }

  /** Output of a command in JSON, whatever its exit code. */
  async json<T>(...args: string[]): Promise<T> {
    const { stdout, stderr, code } = await this.quorate(...args, '--format', 'json');
    if (stdout === '') throw new Error(`quorate ${args.join(' ')}: exit code ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  startController(): Daemon {
    const daemon = Daemon.start('the controller', ['controller', '--config', this.config]);
    this.#controllers.push(daemon);
    return daemon;
  }

  async startAgents(names: readonly string[] = this.hosts.map(({ name }) => name)): Promise<void> {
    await Promise.all(names.map((name) => this.startAgent(name)));
  }

  async startAgent(name: string): Promise<void> {
    const daemon = Daemon.start(`the agent of ${name}`, [
      'agent',
      '--config',
      join(this.folder, 'agents', `${name}.yaml`),
    ]);
    this.agents.set(name, daemon);
    await daemon.says('agent serves');
  }

  async killAgent(name: string): Promise<void> {
    await this.agents.get(name)?.end('SIGKILL');
  }

  // What is really there.

  memberFolder(host: string): string {
    return join(this.folder, 'hosts', host, 'clusters', 'orders');
  }

  /** Process of a host's etcd and its arguments; undefined when none runs. */
  async etcdOn(host: string): Promise<{ readonly pid: number; readonly args: readonly string[] } | undefined> {
    const found = await processesWith(`--data-dir=${this.memberFolder(host)}/data`);
    if (found.length > 1) throw new Error(`${found.length} etcd processes on host ${host}`);
    return found[0];
  }

  async pidOn(host: string): Promise<number> {
    const found = await this.etcdOn(host);
    if (found === undefined) throw new Error(`no etcd runs on host ${host}`);
    return found.pid;
  }

  host(name: string): FleetHost {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  /** Client URLs. */
  urls(names: readonly string[]): readonly string[] {
    return names.map((name) => this.host(name).clientUrl);
  }

  async etcdctl(): Promise<Etcdctl> {
    if (this.#etcdctl === undefined) {
      const files = await writeCredentials(this.folder, 'operator', await operatorCredentials(this.folder));
      this.#etcdctl = new Etcdctl(this.#etcdctlProgram, files);
    }
    return this.#etcdctl;
  }

  /** Starts writing a key every 20 ms, to whichever member takes it; once per fleet. */
  async startWriter(): Promise<KeyWriter> {
    const endpoints = this.hosts.map(({ clientUrl }) => clientUrl);
    const credentials = await operatorCredentials(this.folder);
    this.#writer = new KeyWriter({ endpoints, credentials, clock: systemClock });
    this.#writer.start();
    return this.#writer;
  }

  /** Name of the host that leads, as its etcd says. */
  async leader(names: readonly string[]): Promise<string> {
    const etcdctl = await this.etcdctl();
    return eventually('a leader', 20_000, async () => {
      const found = (await etcdctl.status(this.urls(names))).find(({ isLeader }) => isLeader);
      const host = this.hosts.find(({ clientUrl }) => clientUrl === found?.url);
      if (host === undefined) throw new Error('nobody leads');
      return host.name;
    });
  }
}
