import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseDocument } from 'yaml';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { defaultBinarySettings } from '../../../src/cli/binaries.ts';
import type { Program } from '../../../src/cli/demo/fleet-processes.ts';
import { LoopbackFleet } from '../../../src/cli/demo/loopback-fleet.ts';
import { loadControllerConfig } from '../../../src/controller/config.ts';
import { openWorld, type World } from '../../../src/controller/world.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { issueClientCredentials } from '../../../src/tls/client-credentials.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { type LogLine, readLog, waitForLog } from './json-log.ts';
import { endProcessesBelow, processesBelow, waitUntilQuiet } from './processes.ts';
import { until } from './serving.ts';

const run = promisify(execFile);
const script = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export interface BenchFleetOptions {
  readonly folder: string;
  readonly version: string;
  /** How often an idle controller looks; default 5 s. */
  readonly interval?: string;
  /** Folder for CPU profiles of the controller and the agents. */
  readonly profiles?: string | undefined;
}

export interface Commit {
  /** First twelve digits. */
  readonly id: string;
  /** Wall clock around `git commit`, milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly returnedAtMs: number;
}

/** A controller and three agents as real processes of the compiled code, and a repository to commit to. */
export class BenchFleet {
  readonly folder: string;
  readonly loopback: LoopbackFleet;
  /** Of the first spec, which is not committed yet. */
  readonly spec: ClusterSpec;
  /** Eyes of our own. */
  readonly world: World;

  private constructor(loopback: LoopbackFleet, spec: ClusterSpec, world: World) {
    this.folder = loopback.folder;
    this.loopback = loopback;
    this.spec = spec;
    this.world = world;
  }

  /** Everything runs, has warmed up, and waits for the commit of a spec. */
  static async start(options: BenchFleetOptions): Promise<BenchFleet> {
    const { folder, version, interval, profiles } = options;
    const loopback = await LoopbackFleet.make({
      folder,
      version,
      program: quorateProgram(profiles),
      binaries: await defaultBinarySettings(process.env),
      zones: { a: 'zone-1', b: 'zone-2', c: 'zone-3' },
    });
    if (interval !== undefined) await setInterval(loopback.config, interval);
    await loopback.startAgents();
    const world = await openWorld(await loadControllerConfig(loopback.config), silentLogger);
    const fleet = new BenchFleet(loopback, specOf(loopback.firstSpec), world);
    await Promise.all(
      fleet.spec.hosts.map((host) => until(`the agent of ${host.name}`, 30_000, () => world.agent(host).facts())),
    );
    await loopback.startController();
    await waitForLog(fleet.controllerLog, 'the controller', 30_000, (lines) =>
      lines.some(({ msg }) => msg === 'controller starts') ? true : undefined,
    );
    await waitUntilQuiet((await processesBelow(folder)).map(({ pid }) => pid));
    return fleet;
  }

  get controllerLog(): string {
    return this.loopback.logFile('controller');
  }

  /** Commits the texts of cluster specs, by cluster. */
  async commit(specs: Readonly<Record<string, string>>, message: string): Promise<Commit> {
    const { folder, file } = this.loopback.repository;
    await mkdir(dirname(file), { recursive: true });
    for (const [name, text] of Object.entries(specs)) await writeFile(join(dirname(file), `${name}.yaml`), text);
    const git = async (...args: string[]): Promise<string> =>
      (await run('git', ['-c', 'core.hooksPath=/dev/null', '-c', 'commit.gpgSign=false', '-C', folder, ...args]))
        .stdout;
    await git('add', '--all');
    const startedAtMs = Date.now();
    await git('commit', '--quiet', '--message', message);
    const returnedAtMs = Date.now();
    return { id: (await git('rev-parse', 'HEAD')).slice(0, 12), startedAtMs, returnedAtMs };
  }

  /** Lines of the controller's log that belong to a commit, up to the end of its run; throws when the run failed. */
  async runOf(commit: string, timeoutMs = 120_000): Promise<readonly LogLine[]> {
    const lines = await waitForLog(this.controllerLog, `the run of commit ${commit}`, timeoutMs, (all) => {
      const own = all.filter((line) => line.commit === commit);
      const end = own.findIndex(({ msg }) => msg === 'run ends');
      return end < 0 ? undefined : own.slice(0, end + 1);
    });
    const end = lines.at(-1);
    if (end?.outcome !== 'done')
      throw new Error(`the run ended with ${end?.outcome ?? 'nothing'}: ${end?.error ?? ''}`);
    return lines;
  }

  async agentLogs(): Promise<readonly LogLine[]> {
    return (await Promise.all(this.loopback.hosts.map((host) => readLog(this.loopback.logFile(host))))).flat();
  }

  /** A certificate of an ordinary client; waits until the controller has made the authority. */
  async credentials(timeoutMs = 30_000): Promise<ClientCredentials> {
    const { keystore, clock } = this.world;
    const { name: cluster, tls } = this.spec;
    let made: ClientCredentials | undefined;
    await until('the authority of clients', timeoutMs, async () => {
      made = await issueClientCredentials({ keystore, cluster, ...tls.client, clock, commonName: 'bench' });
    });
    if (made === undefined) throw new Error('no certificate was made');
    return made;
  }

  async stop(): Promise<void> {
    await this.world.close();
    await endProcessesBelow(this.folder);
  }
}

/** Runs a command of the compiled `quorate`; gives the wall time of the whole process. */
export async function timeCommand(args: readonly string[], profiles?: string): Promise<number> {
  const [node, ...options] = quorateProgram(profiles);
  const startedMs = systemClock.monotonic();
  await run(node, [...options, ...args], { timeout: 60_000 });
  return systemClock.monotonic() - startedMs;
}

/** The compiled `quorate`, before its arguments. */
export function quorateProgram(profiles: string | undefined): Program {
  const options = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  // The flags of the first line of src/cli/main.ts, with which an installed `quorate` runs.
  return [process.execPath, '--max-semi-space-size=1', ...options, script];
}

async function setInterval(config: string, interval: string): Promise<void> {
  const document = parseDocument(await readFile(config, 'utf8'));
  document.set('interval', interval);
  await writeFile(config, document.toString({ lineWidth: 0 }));
}

export function specOf(content: string): ClusterSpec {
  const { specs, diagnostics } = loadSpecs([{ path: 'clusters/spec.yaml', content }]);
  const [loaded] = specs;
  if (loaded === undefined)
    throw new Error(diagnostics.map(({ summary, detail }) => `${summary}: ${detail}`).join('\n'));
  return loaded.spec;
}
