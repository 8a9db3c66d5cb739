import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { QuorateError } from '../../base/errors.ts';
import type { BinarySettings } from '../binaries.ts';
import { init } from '../init.ts';
import { fleetProcesses, type Program, type QuorateChild, send, startQuorate } from './fleet-processes.ts';
import { freePortRow } from './loopback-ports.ts';
import { SpecRepository } from './spec-repository.ts';

export interface FleetOptions {
  /** New or empty. */
  readonly folder: string;
  readonly version: string;
  readonly program: Program;
  /** Shared by all agents, so that a release is fetched once. */
  readonly binaries: BinarySettings;
  /** Default `orders`. */
  readonly cluster?: string;
  /** Default five, a to e, in three zones. */
  readonly zones?: Readonly<Record<string, string>>;
  /** Members in the first spec. Default 3. */
  readonly members?: number;
}

const defaultZones: Readonly<Record<string, string>> = {
  a: 'zone-1',
  b: 'zone-2',
  c: 'zone-3',
  d: 'zone-1',
  e: 'zone-2',
};
/** Ports of one host: agent, client, peer, metrics; the rest is room for the eye. */
const portsPerHost = 10;

/** A fleet on 127.0.0.1: what `quorate init` makes, with ports that are free, and its real processes. */
export class LoopbackFleet {
  readonly folder: string;
  readonly cluster: string;
  /** controller.yaml, absolute. */
  readonly config: string;
  readonly repository: SpecRepository;
  /** Text of clusters/NAME.yaml as it was made. */
  readonly firstSpec: string;
  /** Names, in the order of the spec. */
  readonly hosts: readonly string[];
  /** `https://127.0.0.1:PORT` by host. */
  readonly clientUrls: Readonly<Record<string, string>>;
  readonly #agentUrls: Readonly<Record<string, string>>;
  readonly #program: Program;
  readonly #children = new Map<string, QuorateChild>();

  private constructor(
    { folder, program }: FleetOptions,
    made: Pick<LoopbackFleet, 'cluster' | 'repository' | 'firstSpec' | 'hosts' | 'clientUrls'>,
    agentUrls: Readonly<Record<string, string>>,
  ) {
    this.folder = folder;
    this.config = join(folder, 'controller.yaml');
    this.cluster = made.cluster;
    this.repository = made.repository;
    this.firstSpec = made.firstSpec;
    this.hosts = made.hosts;
    this.clientUrls = made.clientUrls;
    this.#agentUrls = agentUrls;
    this.#program = program;
  }

  /** Makes the files; starts nothing. The repository holds one commit, without the cluster. */
  static async make(options: FleetOptions): Promise<LoopbackFleet> {
    const { folder, version, cluster = 'orders', zones = defaultZones, members = 3, binaries } = options;
    const hosts = Object.keys(zones);
    const first = await freePortRow((hosts.length + 1) * portsPerHost);
    const portOf = (index: number, offset: number): number => first + index * portsPerHost + offset;
    const inputs = hosts.map((name, index) => ({ name, ip: '127.0.0.1', port: portOf(index, 0) }));
    await init({ dir: folder, cluster, version, hosts: inputs }, { write: () => undefined });
    await setYaml(join(folder, 'controller.yaml'), [
      [['http', 'listen'], `127.0.0.1:${portOf(hosts.length, 0)}`],
      [['interval'], '5s'],
    ]);
    for (const name of hosts) {
      await setYaml(join(folder, 'agents', `${name}.yaml`), [
        [['binaries', 'dirs'], binaries.dirs],
        [['binaries', 'sources'], binaries.sources],
        [['binaries', 'cache'], binaries.cacheDir],
      ]);
    }
    const repository = new SpecRepository(join(folder, 'repo'), cluster);
    const portsOf = (index: number): object => ({
      client: portOf(index, 1),
      peer: portOf(index, 2),
      metrics: portOf(index, 3),
    });
    await setYaml(repository.file, [
      [['spec', 'members'], members],
      // Here the backups are those that the reader sees being taken.
      ...['every', 'keep', 'drill'].map((key): Setting => [['spec', 'backup', key], undefined]),
      ...hosts.flatMap((name, index): Setting[] => [
        [['spec', 'hosts', index, 'zone'], zones[name]],
        [['spec', 'hosts', index, 'ports'], portsOf(index)],
      ]),
    ]);
    const firstSpec = await repository.read();
    await repository.withoutSpec('A fleet without a cluster yet');
    const urls = (offset: number): Record<string, string> =>
      Object.fromEntries(hosts.map((name, index) => [name, `https://127.0.0.1:${portOf(index, offset)}`]));
    return new LoopbackFleet(options, { cluster, repository, firstSpec, hosts, clientUrls: urls(1) }, urls(0));
  }

  /** `https://127.0.0.1:PORT`. */
  agentUrl(host: string): string {
    return this.#agentUrls[host] ?? '';
  }

  async startAgents(): Promise<void> {
    await Promise.all(this.hosts.map((host) => this.startAgent(host)));
  }

  startAgent(host: string): Promise<void> {
    return this.#start(host, ['agent', '--config', join(this.folder, 'agents', `${host}.yaml`)]);
  }

  startController(): Promise<void> {
    return this.#start('controller', ['controller', '--config', this.config]);
  }

  /** As a power cut would: the agent and the etcd of a host, without a chance to say a word. Gives their pids. */
  async killHost(host: string): Promise<readonly number[]> {
    this.#children.delete(host);
    const processes = (await fleetProcesses(this.folder)).filter((process) => process.host === host);
    // The agent first: it would start its etcd again.
    for (const kind of ['agent', 'etcd'])
      for (const process of processes) if (process.kind === kind) send(process.identity, 'SIGKILL');
    return processes.map(({ identity }) => identity.pid);
  }

  /** JSON lines of an agent, by its host, or of the `controller`. */
  logFile(name: string): string {
    return join(this.folder, 'logs', `${name}.log`);
  }

  /** Throws `process-ended`, with the end of its log, when one of these has ended by itself. */
  async assertRunning(names: Iterable<string> = this.#children.keys()): Promise<void> {
    for (const name of names) {
      const end = this.#children.get(name)?.ended();
      if (end === undefined) continue;
      const log = (await readFile(this.logFile(name), 'utf8')).trimEnd().split('\n').slice(-3).join('\n');
      throw new QuorateError({
        code: 'process-ended',
        kind: 'stalled',
        operation: name === 'controller' ? 'run the controller' : `run the agent of host ${name}`,
        summary: `it ended with ${end}; its last words were:\n${log}`,
      });
    }
  }

  async #start(name: string, args: readonly string[]): Promise<void> {
    await mkdir(join(this.folder, 'logs'), { recursive: true, mode: 0o700 });
    this.#children.set(name, await startQuorate(this.#program, args, this.logFile(name)));
  }
}

type Setting = readonly [path: readonly (string | number)[], value: unknown];

/** Comments and layout of the file stay. A setting without a value is taken out. */
async function setYaml(file: string, settings: readonly Setting[]): Promise<void> {
  const document = parseDocument(await readFile(file, 'utf8'));
  for (const [path, value] of settings)
    if (value === undefined) document.deleteIn(path);
    else document.setIn(path, document.createNode(value, { flow: true }));
  await writeFile(file, document.toString({ lineWidth: 0 }));
}
