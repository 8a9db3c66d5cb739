import { parseDocument } from 'yaml';
import { systemClock } from '../../src/base/clock.ts';
import { connectEtcd } from '../../src/etcd/client.ts';
import { clientUrl } from '../../src/spec/cluster-spec.ts';
import type { Bench } from './bench.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { BenchFleet } from './support/fleet.ts';
import { Gateway } from './support/gateway.ts';
import type { LogLine } from './support/json-log.ts';
import { type Gap, LoadWriter } from './support/load-writer.ts';
import { until, waitUntilServing } from './support/serving.ts';

interface Round {
  /** Milliseconds; ours: after the backup. */
  readonly took: number;
  readonly gap: number;
  /** The longest gap while nothing was done, just before. */
  readonly calmGap: number;
}

interface OurRound extends Round {
  readonly wholeRun: number;
  readonly steps: readonly StepTime[];
  readonly during: string;
}

interface StepTime {
  readonly name: string;
  readonly action: string;
  readonly beganAtMs: number;
  readonly took: number;
}

const allowedRunMs = 6000;
const allowedGapMs = 150;
const calmMs = 2000;
/** Ours and bare take turns with the same flag; any number is as good as another for this load. */
const flag = 'max-txn-ops';

/** Rolling change of a flag of three members under load, beside the same by hand. */
export async function benchFlags(bench: Bench): Promise<void> {
  const { report, workshop } = bench;
  const rounds = bench.options.rounds ?? 5;
  report.heading('rolling flag change of three members under load (a write every 5 ms, one connection)');
  const fleet = await BenchFleet.start({
    folder: await workshop.newFolder('fleet'),
    version: bench.version,
    profiles: bench.options.profiles,
  });
  const cluster = await BareCluster.prepare(await workshop.newFolder('bare'), fleet.spec, bench.binary);
  const bare: Round[] = [];
  const ours: OurRound[] = [];
  try {
    const { id } = await fleet.commit({ [fleet.loopback.cluster]: fleet.loopback.firstSpec }, 'Create the cluster');
    await fleet.runOf(id);
    await Promise.all([cluster.startAnew(), waitUntilServing(cluster.endpoints, cluster.credentials)]);
    for (let round = 0; round < rounds; round++) {
      bare.push(await bareRound(cluster, 129 + round));
      ours.push(await ourRound(fleet, 129 + round));
    }
  } finally {
    await cluster.kill();
    await fleet.stop();
  }
  print(bench, bare, ours);
}

function print({ report }: Bench, bare: readonly Round[], ours: readonly OurRound[]): void {
  report.note('bare: TERM, start, wait until healthy, one after the other, the leader last after etcdctl move-leader');
  const bareTook = report.sample(
    'bare: three restarts',
    bare.map((round) => round.took),
    'ms',
  );
  const took = report.sample(
    'ours: run, after its backup',
    ours.map((round) => round.took),
    'ms',
  );
  report.compare('  difference of the medians', took, bareTook, 'ms');
  report.sample(
    'ours: run with its backup',
    ours.map((round) => round.wholeRun),
    'ms',
  );
  const bareGap = report.sample(
    'bare: longest write gap',
    bare.map((round) => round.gap),
    'ms',
  );
  const gap = report.sample(
    'ours: longest write gap',
    ours.map((round) => round.gap),
    'ms',
  );
  report.compare('  difference of the medians', gap, bareGap, 'ms');
  report.sample(
    'longest gap while nothing is done, bare',
    bare.map((round) => round.calmGap),
    'ms',
  );
  report.sample(
    'longest gap while nothing is done, ours',
    ours.map((round) => round.calmGap),
    'ms',
  );
  report.note(`ours: the longest gap of each round was during: ${ours.map((round) => round.during).join('; ')}`);
  const steps = ours.flatMap((round) => round.steps);
  for (const action of new Set(steps.map((step) => step.action))) {
    const times = steps.filter((step) => step.action === action).map((step) => step.took);
    report.sample(`ours: each step ${action}`, times, 'ms', 'steps');
  }
  const between = ours.map((round) => round.wholeRun - round.steps.reduce((sum, step) => sum + step.took, 0));
  report.sample('ours: before, between and after the steps', between, 'ms');
  report.verdict(
    'rolling flag change, after the backup',
    `< ${allowedRunMs} ms`,
    `median ${took.median.toFixed(0)} ms (bare ${bareTook.median.toFixed(0)} ms)`,
    took.median < allowedRunMs,
  );
  report.verdict(
    'rolling flag change, longest write gap',
    `< ${allowedGapMs} ms`,
    `median ${gap.median.toFixed(0)} ms, worst ${gap.max.toFixed(0)} ms (bare ${bareGap.median.toFixed(0)}, ${bareGap.max.toFixed(0)} ms)`,
    gap.max < allowedGapMs,
  );
}

async function bareRound(cluster: BareCluster, value: number): Promise<Round> {
  const writer = new LoadWriter(cluster.endpoints, cluster.credentials);
  try {
    const calmGap = await calm(writer);
    const startedAtMs = Date.now();
    await restartByHand(cluster, { [flag]: String(value) });
    const endedAtMs = Date.now();
    await systemClock.sleep(300);
    return { took: endedAtMs - startedAtMs, gap: lengthOf(writer.longestGap(startedAtMs, endedAtMs + 300)), calmGap };
  } finally {
    await writer.stop();
  }
}

async function restartByHand(cluster: BareCluster, flags: Readonly<Record<string, string>>): Promise<void> {
  const [first] = cluster.endpoints;
  if (first === undefined) throw new Error('the bare cluster has no members');
  const etcd = connectEtcd({ endpoints: cluster.endpoints, credentials: cluster.credentials, clock: systemClock });
  try {
    const [{ members }, { leaderId }] = await Promise.all([etcd.memberList(), etcd.status(first)]);
    const leader = members.find(({ id }) => id === leaderId);
    const followers = members.filter((member) => member !== leader);
    for (const { name } of followers) await restartOne(cluster, name, flags);
    const [successor] = followers;
    if (leader === undefined || successor === undefined) throw new Error('the bare cluster has no leader');
    await cluster.etcdctl(leader.clientUrls, 'move-leader', successor.id);
    await restartOne(cluster, leader.name, flags);
  } finally {
    etcd.close();
  }
}

async function restartOne(cluster: BareCluster, name: string, flags: Readonly<Record<string, string>>): Promise<void> {
  await cluster.stopMember(name);
  await cluster.startMember(name, flags);
  const host = cluster.hosts.find((candidate) => candidate.name === name);
  const doctor = new Gateway(host === undefined ? '' : clientUrl(host), cluster.credentials, 3000);
  try {
    await until(`member ${name} to be healthy`, 60_000, () => doctor.health());
  } finally {
    await doctor.close();
  }
}

async function ourRound(fleet: BenchFleet, value: number): Promise<OurRound> {
  const { cluster, firstSpec, clientUrls } = fleet.loopback;
  const writer = new LoadWriter(Object.values(clientUrls), await fleet.credentials());
  try {
    const calmGap = await calm(writer);
    const document = parseDocument(firstSpec);
    document.setIn(['spec', 'etcd', flag], value);
    const { id } = await fleet.commit({ [cluster]: document.toString({ lineWidth: 0 }) }, `Set ${flag} to ${value}`);
    const lines = await fleet.runOf(id);
    await systemClock.sleep(300);
    const steps = stepTimes(lines);
    const backup = steps.find((step) => step.action === 'backup');
    const [beganAtMs = Number.NaN, endedAtMs = Number.NaN] = ['run begins', 'run ends'].map(
      (msg) => lines.find((line) => line.msg === msg)?.atMs,
    );
    if (backup === undefined || steps.filter((step) => step.action === 'restart-member').length !== 3)
      throw new Error(`the run did not restart three members after a backup: ${steps.map((step) => step.name).join()}`);
    const gap = writer.longestGap(beganAtMs, endedAtMs + 300);
    return {
      took: endedAtMs - (backup.beganAtMs + backup.took),
      wholeRun: endedAtMs - beganAtMs,
      gap: lengthOf(gap),
      calmGap,
      steps,
      during: stepDuring(steps, gap),
    };
  } finally {
    await writer.stop();
  }
}

/** Brings the load up to speed and gives the longest gap of two seconds in which nobody changes anything. */
async function calm(writer: LoadWriter): Promise<number> {
  writer.start();
  await until('the load to begin', 30_000, async () => {
    if (writer.acknowledged < 50) throw new Error('fewer than 50 writes were acknowledged');
  });
  const fromMs = Date.now();
  await systemClock.sleep(calmMs);
  return lengthOf(writer.longestGap(fromMs, Date.now()));
}

function stepTimes(lines: readonly LogLine[]): readonly StepTime[] {
  return lines
    .filter((line) => line.msg === 'step begins')
    .flatMap(({ action, target, atMs }) => {
      const end = lines.find((line) => line.msg === 'step is done' && line.action === action && line.target === target);
      if (end === undefined) return [];
      return [{ name: `${action} ${target}`, action, beganAtMs: atMs, took: end.atMs - atMs }];
    });
}

function stepDuring(steps: readonly StepTime[], { fromMs, toMs }: Gap): string {
  const touched = steps.filter((step) => step.beganAtMs < toMs && step.beganAtMs + step.took > fromMs);
  const [step] = touched;
  if (step === undefined) return 'no step';
  return `${touched.map(({ name }) => name).join(' and ')}, ${Math.round(fromMs - step.beganAtMs)} ms after its begin`;
}

function lengthOf({ fromMs, toMs }: Gap): number {
  return toMs - fromMs;
}
