import type { Bench } from './bench.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { BenchFleet } from './support/fleet.ts';
import type { LogLine } from './support/json-log.ts';
import { type Serving, waitUntilServing } from './support/serving.ts';

/** Milliseconds from the start of a round. */
interface Round {
  readonly firstWrite: number;
  readonly allWrote: number;
  readonly allHealthy: number;
}

interface OurRound extends Round {
  readonly commitTook: number;
  readonly runBegins: number;
  readonly stepBegins: number;
  readonly firstEtcdStarted: number;
  readonly etcdStarted: number;
  readonly runEnds: number;
}

/** More than elsewhere: now and then the first election of etcd itself ends without a winner and takes 1 to 2 s more. */
const defaultRounds = 7;
const allowedMs = 2000;
const figures = [
  ['firstWrite', 'first acknowledged write'],
  ['allWrote', 'a write through each of three members'],
  ['allHealthy', 'all three healthy'],
] as const;

/** From the commit of a spec to three members that serve, beside three etcd started at once by hand. */
export async function benchCommit(bench: Bench): Promise<void> {
  const { report, workshop } = bench;
  const rounds = bench.options.rounds ?? defaultRounds;
  report.heading('commit → three members serving writes, binaries at hand');
  const bare: Round[] = [];
  const ours: OurRound[] = [];
  for (let round = 0; round < rounds; round++) {
    const fleet = await BenchFleet.start({
      folder: await workshop.newFolder('fleet'),
      version: bench.version,
      profiles: bench.options.profiles,
    });
    try {
      bare.push(await bareRound(bench, fleet));
      ours.push(await ourRound(fleet));
    } finally {
      await fleet.stop();
    }
  }
  report.note('bare: three etcd spawned at once; ours: from the return of `git commit`, controller and agents running');
  for (const [key, name] of figures) {
    const bareSample = report.sample(
      `bare: ${name}`,
      bare.map((round) => round[key]),
      'ms',
    );
    const sample = report.sample(
      `ours: ${name}`,
      ours.map((round) => round[key]),
      'ms',
    );
    report.compare('  difference of the medians', sample, bareSample, 'ms');
    const difference = sample.median - bareSample.median;
    report.verdict(
      `commit → ${name}`,
      `bare + ${allowedMs} ms`,
      `bare ${bareSample.median.toFixed(0)} + ${difference.toFixed(0)} ms`,
      difference <= allowedMs,
    );
  }
  const fromStart = ours.map((round) => round.allHealthy + round.commitTook);
  report.sample('ours: all three healthy, from the start of commit', fromStart, 'ms');
  report.note('where the time goes, from the return of `git commit`:');
  report.sample(
    '  the run begins',
    ours.map((round) => round.runBegins),
    'ms',
  );
  report.sample(
    '  its step begins',
    ours.map((round) => round.stepBegins),
    'ms',
  );
  report.sample(
    '  the first etcd is started',
    ours.map((round) => round.firstEtcdStarted),
    'ms',
  );
  report.sample(
    '  the last etcd is started',
    ours.map((round) => round.etcdStarted),
    'ms',
  );
  report.sample(
    '  the first write after that start',
    ours.map((round) => round.firstWrite - round.etcdStarted),
    'ms',
  );
  report.sample(
    '  the run ends',
    ours.map((round) => round.runEnds),
    'ms',
  );
}

async function bareRound(bench: Bench, { spec }: BenchFleet): Promise<Round> {
  const cluster = await BareCluster.prepare(await bench.workshop.newFolder('bare'), spec, bench.binary);
  try {
    const startedAtMs = Date.now();
    const [serving] = await Promise.all([
      waitUntilServing(cluster.endpoints, cluster.credentials),
      cluster.startAnew(),
    ]);
    return since(startedAtMs, serving);
  } finally {
    await cluster.kill();
  }
}

async function ourRound(fleet: BenchFleet): Promise<OurRound> {
  const { cluster, firstSpec, clientUrls } = fleet.loopback;
  // The knocking starts as soon as the controller has made the authority that signs the client's certificate.
  const serving = fleet.credentials().then((credentials) => waitUntilServing(Object.values(clientUrls), credentials));
  const [commit, seen] = await Promise.all([fleet.commit({ [cluster]: firstSpec }, 'Create the cluster'), serving]);
  const run = await fleet.runOf(commit.id);
  const starts = (await fleet.agentLogs()).filter(({ msg }) => msg === 'etcd started');
  const at = (lines: readonly LogLine[], msg: string): number =>
    (lines.find((line) => line.msg === msg)?.atMs ?? Number.NaN) - commit.returnedAtMs;
  return {
    ...since(commit.returnedAtMs, seen),
    commitTook: commit.returnedAtMs - commit.startedAtMs,
    runBegins: at(run, 'run begins'),
    stepBegins: at(run, 'step begins'),
    firstEtcdStarted: Math.min(...starts.map((line) => line.atMs)) - commit.returnedAtMs,
    etcdStarted: Math.max(...starts.map((line) => line.atMs)) - commit.returnedAtMs,
    runEnds: at(run, 'run ends'),
  };
}

function since(startMs: number, { firstWriteAtMs, allWroteAtMs, allHealthyAtMs }: Serving): Round {
  return {
    firstWrite: firstWriteAtMs - startMs,
    allWrote: allWroteAtMs - startMs,
    allHealthy: allHealthyAtMs - startMs,
  };
}
