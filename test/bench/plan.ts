import { systemClock } from '../../src/base/clock.ts';
import { desiredAt, selectOne } from '../../src/cli/context.ts';
import { connectEtcd } from '../../src/etcd/client.ts';
import { observe } from '../../src/observe/observe.ts';
import { plan } from '../../src/plan/planner.ts';
import type { Bench } from './bench.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { BenchFleet, timeCommand } from './support/fleet.ts';
import { Gateway } from './support/gateway.ts';
import { waitUntilServing } from './support/serving.ts';

const allowedWarmMs = 300;
const allowedCommandMs = 1500;
const warmUps = 5;
const looksPerRound = 10;

/** The plan of a live cluster of three members, beside asking bare etcd the same things. */
export async function benchPlan(bench: Bench): Promise<void> {
  const { report, workshop } = bench;
  const rounds = bench.options.rounds ?? 5;
  report.heading('plan of a live three-member cluster');
  const fleet = await BenchFleet.start({
    folder: await workshop.newFolder('fleet'),
    version: bench.version,
    profiles: bench.options.profiles,
  });
  const cluster = await BareCluster.prepare(await workshop.newFolder('bare'), fleet.spec, bench.binary);
  const warm: number[] = [];
  const withGit: number[] = [];
  const bareWarm: number[] = [];
  const command: number[] = [];
  const bareCommand: number[] = [];
  let firstLook = 0;
  try {
    const { id } = await fleet.commit({ [fleet.loopback.cluster]: fleet.loopback.firstSpec }, 'Create the cluster');
    await fleet.runOf(id);
    await Promise.all([cluster.startAnew(), waitUntilServing(cluster.endpoints, cluster.credentials)]);
    firstLook = await timeOf(() => ourLook(fleet));
    for (let warmUp = 0; warmUp < warmUps; warmUp++) await ourLook(fleet);
    const asking = await BareQuestions.open(cluster);
    try {
      for (let round = 0; round < rounds; round++) {
        for (let look = 0; look < looksPerRound; look++) {
          bareWarm.push(await timeOf(() => asking.ask()));
          warm.push(await timeOf(() => ourLook(fleet)));
          withGit.push(await timeOf(() => ourLook(fleet, true)));
        }
        bareCommand.push(await timeOf(() => askByCommand(cluster)));
        command.push(await timeCommand(['plan', '--config', fleet.loopback.config], bench.options.profiles));
      }
    } finally {
      await asking.close();
    }
  } finally {
    await cluster.kill();
    await fleet.stop();
  }
  report.note('bare, warm: member list, alarms, status of each, health of each on a fresh connection');
  const bareSample = report.sample('bare: the same questions, warm process', bareWarm, 'ms', 'looks');
  const sample = report.sample('ours: observe and plan, warm process', warm, 'ms', 'looks');
  report.compare('  difference of the medians', sample, bareSample, 'ms');
  report.sample('ours: with reading the commit', withGit, 'ms', 'looks');
  report.sample('ours: the very first look of a process', [firstLook], 'ms', 'look');
  report.note('bare, as commands: etcdctl endpoint status and etcdctl endpoint health, both --cluster');
  const bareCommandSample = report.sample('bare: the two commands', bareCommand, 'ms');
  const commandSample = report.sample('ours: quorate plan', command, 'ms');
  report.compare('  difference of the medians', commandSample, bareCommandSample, 'ms');
  report.verdict(
    'plan, warm process',
    `< ${allowedWarmMs} ms`,
    `median ${sample.median.toFixed(0)} ms (bare ${bareSample.median.toFixed(0)} ms)`,
    sample.median < allowedWarmMs,
  );
  report.verdict(
    'plan, as a command',
    `< ${allowedCommandMs} ms`,
    `median ${commandSample.median.toFixed(0)} ms (bare ${bareCommandSample.median.toFixed(0)} ms)`,
    commandSample.median < allowedCommandMs,
  );
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = systemClock.monotonic();
  await work();
  return systemClock.monotonic() - startedMs;
}

/** What `quorate plan` does, without the start of a process; the plan must be empty, or it was another cluster's. */
async function ourLook(fleet: BenchFleet, withGit = false): Promise<void> {
  const { world } = fleet;
  const spec = withGit ? selectOne(await desiredAt(world, undefined), fleet.loopback.cluster).spec : fleet.spec;
  const live = await observe(spec, await world.sight(spec));
  const made = plan(spec, live, 'HEAD');
  if (made.steps.length + made.refusals.length + made.waits.length === 0) return;
  const found = [
    ...made.steps.map(({ action }) => action),
    ...[...made.refusals, ...made.waits].map(({ code }) => code),
  ];
  throw new Error(`the plan of the live cluster should be empty and holds ${found.join(', ')}`);
}

/** What a plan has to know of etcd, asked without Quorate's observation. */
class BareQuestions {
  readonly #cluster: BareCluster;
  readonly #etcd: ReturnType<typeof connectEtcd>;

  private constructor(cluster: BareCluster) {
    this.#cluster = cluster;
    this.#etcd = connectEtcd({ endpoints: cluster.endpoints, credentials: cluster.credentials, clock: systemClock });
  }

  static async open(cluster: BareCluster): Promise<BareQuestions> {
    const questions = new BareQuestions(cluster);
    for (let warmUp = 0; warmUp < warmUps; warmUp++) await questions.ask();
    return questions;
  }

  async ask(): Promise<void> {
    const { endpoints, credentials } = this.#cluster;
    await this.#etcd.memberList();
    await Promise.all([
      this.#etcd.alarms(),
      ...endpoints.map((url) => this.#etcd.status(url)),
      ...endpoints.map(async (url) => {
        const doctor = new Gateway(url, credentials, 3000);
        await doctor.health();
        await doctor.close();
      }),
    ]);
  }

  async close(): Promise<void> {
    this.#etcd.close();
  }
}

async function askByCommand(cluster: BareCluster): Promise<void> {
  await cluster.etcdctl(cluster.endpoints.slice(0, 1), 'endpoint', 'status', '--cluster', '-w', 'json');
  await cluster.etcdctl(cluster.endpoints.slice(0, 1), 'endpoint', 'health', '--cluster', '-w', 'json');
}
