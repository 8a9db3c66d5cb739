import { parse, stringify } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import { freePortRow } from '../../src/cli/demo/loopback-ports.ts';
import type { Bench } from './bench.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { BenchFleet, specOf } from './support/fleet.ts';
import { waitForLog } from './support/json-log.ts';
import { type BenchProcess, processesBelow, type Usage, usageOf } from './support/processes.ts';
import { waitUntilServing } from './support/serving.ts';

const allowedControllerMiB = 200;
const allowedControllerPercent = 5;
const allowedAgentMiB = 100;
/** The default of the controller. */
const interval = '30s';
const intervalMs = 30_000;
const sampleEveryMs = 5000;
/** 50 bootstraps on two cores take a minute or two. */
const bootstrapMs = 600_000;
const portsPerMember = 3;

interface Measured {
  readonly kind: BenchProcess['kind'];
  /** Of one core, over the window. */
  readonly cpuPercent: number;
  /** Resident, MiB, every five seconds of the window. */
  readonly memory: readonly number[];
  /** Since its start, MiB. */
  readonly peak: number;
}

/** Memory and CPU of a controller that has nothing to do, of its agents and of etcd itself. */
export async function benchIdle(bench: Bench): Promise<void> {
  const { clusters } = bench.options;
  await measureIdle(bench, clusters, 1);
  // As many etcd processes fit a small machine: three members each for a third of the clusters.
  await measureIdle(bench, Math.max(1, Math.floor(clusters / 3)), 3);
}

async function measureIdle(bench: Bench, clusters: number, members: 1 | 3): Promise<void> {
  const { report, workshop, options } = bench;
  const windowMs = options.windowMs;
  const what = `${clusters} clusters of ${members} member${members === 1 ? '' : 's'}`;
  report.heading(`idle controller: ${what} on three agents, interval ${interval}, ${windowMs / 1000} s`);
  const fleet = await BenchFleet.start({
    folder: await workshop.newFolder('fleet'),
    version: bench.version,
    interval,
    profiles: options.profiles,
  });
  const bareFolder = await workshop.newFolder('bare');
  const like = specOf(specText(fleet, 'bare', 0, members, await freePortRow(members * portsPerMember)));
  const bare = await BareCluster.prepare(bareFolder, like, bench.binary);
  try {
    const startedMs = systemClock.monotonic();
    await fleet.commit(await specsOf(fleet, clusters, members), `Create ${what}`);
    await waitForLog(fleet.controllerLog, `${clusters} runs to end well`, bootstrapMs, (lines) => {
      const done = lines.filter(({ msg, outcome }) => msg === 'run ends' && outcome === 'done');
      return new Set(done.map(({ cluster }) => cluster)).size === clusters ? true : undefined;
    });
    report.note(`all of them made after ${((systemClock.monotonic() - startedMs) / 1000).toFixed(0)} s`);
    await Promise.all([bare.startAnew(), waitUntilServing(bare.endpoints, bare.credentials)]);
    // The looks that follow a run are over, and every loop has waited for its interval once.
    await systemClock.sleep(intervalMs + sampleEveryMs);
    const processes = await processesBelow(fleet.folder);
    const bareProcesses = await processesBelow(bareFolder);
    const [measured, bareMeasured] = await Promise.all([
      measure(processes, windowMs),
      measure(bareProcesses, windowMs),
    ]);
    print(bench, what, clusters * members, measured, bareMeasured);
  } finally {
    await bare.kill();
    await fleet.stop();
  }
}

function print(
  { report }: Bench,
  what: string,
  members: number,
  measured: readonly Measured[],
  bare: readonly Measured[],
): void {
  const of = (kind: BenchProcess['kind']): readonly Measured[] => measured.filter((one) => one.kind === kind);
  const etcds = of('etcd');
  if (etcds.length !== members || of('agent').length !== 3 || of('controller').length !== 1)
    throw new Error(
      `${members} etcd, 3 agents and a controller should run; seen: ${measured.map(({ kind }) => kind).join()}`,
    );
  const memory = (ones: readonly Measured[]): readonly number[] => ones.flatMap((one) => one.memory);
  const cpu = (ones: readonly Measured[]): readonly number[] => ones.map((one) => one.cpuPercent);
  const controller = report.sample('controller: memory', memory(of('controller')), 'MiB', 'looks');
  report.sample(
    'controller: peak memory since its start',
    of('controller').map((one) => one.peak),
    'MiB',
    'process',
  );
  const controllerCpu = report.sample('controller: CPU', cpu(of('controller')), '% of a core', 'process');
  const agents = report.sample('agents: memory', memory(of('agent')), 'MiB', 'looks at three');
  report.sample(
    'agents: peak memory since their start',
    of('agent').map((one) => one.peak),
    'MiB',
    'agents',
  );
  const agentCpu = report.sample('agents: CPU', cpu(of('agent')), '% of a core', 'agents');
  const etcdMemory = report.sample('etcd under Quorate: memory', memory(etcds), 'MiB', `looks at ${members}`);
  const etcdCpu = report.sample('etcd under Quorate: CPU', cpu(etcds), '% of a core', 'members');
  const bareMemory = report.sample('bare etcd: memory', memory(bare), 'MiB', 'looks');
  const bareCpu = report.sample('bare etcd: CPU', cpu(bare), '% of a core', 'members');
  report.compare('  one member under Quorate, memory', etcdMemory, bareMemory, 'MiB');
  report.compare('  one member under Quorate, CPU', etcdCpu, bareCpu, '% of a core');
  report.verdict(
    `idle controller, ${what}, memory`,
    `< ${allowedControllerMiB} MiB`,
    `max ${controller.max.toFixed(0)} MiB (one bare etcd ${bareMemory.median.toFixed(0)} MiB)`,
    controller.max < allowedControllerMiB,
  );
  report.verdict(
    `idle controller, ${what}, CPU`,
    `< ${allowedControllerPercent} % of a core`,
    `${controllerCpu.median.toFixed(1)} % (one bare etcd ${bareCpu.median.toFixed(1)} %)`,
    controllerCpu.median < allowedControllerPercent,
  );
  report.verdict(
    `agent with ${Math.ceil(members / 3)} members, memory`,
    `< ${allowedAgentMiB} MiB`,
    `max ${agents.max.toFixed(0)} MiB (CPU ${agentCpu.median.toFixed(1)} %)`,
    agents.max < allowedAgentMiB,
  );
}

async function measure(processes: readonly BenchProcess[], windowMs: number): Promise<readonly Measured[]> {
  const before = await usagesOf(processes);
  const startedMs = systemClock.monotonic();
  const looks: (readonly Usage[])[] = [before];
  while (systemClock.monotonic() - startedMs < windowMs) {
    await systemClock.sleep(Math.min(sampleEveryMs, windowMs));
    looks.push(await usagesOf(processes));
  }
  const tookMs = systemClock.monotonic() - startedMs;
  return processes.map(({ kind }, index) => {
    const own = looks.flatMap((look) => look[index] ?? []);
    const [first, last] = [own[0], own.at(-1)];
    return {
      kind,
      cpuPercent: (((last?.cpuMs ?? 0) - (first?.cpuMs ?? 0)) / tookMs) * 100,
      memory: own.map(({ residentBytes }) => residentBytes / 1024 ** 2),
      peak: (last?.peakResidentBytes ?? 0) / 1024 ** 2,
    };
  });
}

async function usagesOf(processes: readonly BenchProcess[]): Promise<readonly Usage[]> {
  return Promise.all(
    processes.map(async ({ pid, kind, name }) => {
      const usage = await usageOf(pid);
      if (usage === undefined) throw new Error(`the ${kind} ${name} (process ${pid}) ended while it was measured`);
      return usage;
    }),
  );
}

async function specsOf(fleet: BenchFleet, clusters: number, members: number): Promise<Record<string, string>> {
  const first = await freePortRow(clusters * members * portsPerMember);
  return Object.fromEntries(
    Array.from({ length: clusters }, (_, index) => {
      const name = `cluster-${String(index + 1).padStart(3, '0')}`;
      return [name, specText(fleet, name, index, members, first + index * members * portsPerMember)];
    }),
  );
}

interface SpecDocument {
  readonly spec: { readonly hosts: readonly object[] };
}

/** The spec of the fleet's own cluster under another name, on as many of the hosts as it has members. */
function specText(fleet: BenchFleet, name: string, index: number, members: number, firstPort: number): string {
  const document = parse(fleet.loopback.firstSpec) as SpecDocument;
  const { hosts } = document.spec;
  const chosen = Array.from({ length: members }, (_, member) => hosts[(index + member) % hosts.length] ?? {});
  return stringify({
    ...document,
    metadata: { name },
    spec: {
      ...document.spec,
      members,
      hosts: chosen.map((host, member) => {
        const client = firstPort + member * portsPerMember;
        return { ...host, ports: { client, peer: client + 1, metrics: client + 2, quarantine: client + 3 } };
      }),
    },
  });
}
