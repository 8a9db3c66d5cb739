import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { keysOf } from '../../src/backup/backup-name.ts';
import { readRecord } from '../../src/backup/record.ts';
import { formatSize } from '../../src/base/size.ts';
import type { ClusterSpec } from '../../src/spec/cluster-spec.ts';
import type { Bench } from './bench.ts';
import { backUpWithQuorate } from './support/backup-command.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { contentText, type FilledSnapshot, filledSnapshot } from './support/filled-snapshot.ts';
import { BenchFleet, specOf } from './support/fleet.ts';
import type { LogLine } from './support/json-log.ts';
import { measureSuccess } from './support/measured-command.ts';
import { checkRoom } from './support/room.ts';
import { until, waitUntilServing } from './support/serving.ts';
import { singleMember } from './support/single-member.ts';

const allowedRatio = 1.3;
const restoreTimeoutMs = 900_000;

interface OurRound {
  /** From the return of `git commit` until every member is healthy for its clients, after the end of its backup. */
  readonly took: number;
  readonly wholeRun: number;
  /** Each with its time, for people. */
  readonly steps: string;
}

interface Round {
  readonly bare: number;
  /** What bare has not to do: the archive of the store unpacked to disk, once for each host. */
  readonly unpacking: number;
  readonly loss: OurRound;
  readonly overwrite: OurRound;
}

/** Restore by commit of a filled database, beside `etcdutl snapshot restore` for each member and a start by hand. */
export async function benchRestore(bench: Bench): Promise<void> {
  const { report, workshop, options } = bench;
  const { sizeBytes, rounds = 2 } = options;
  const size = formatSize(sizeBytes);
  report.heading(`restore by commit of a database of ${size} on three members`);
  const filled = await filledSnapshot(bench, sizeBytes);
  // Old, staged and new data of three members, twice over with the bare ones, and the archives put aside.
  await checkRoom(workshop.folder, (9 + 6 * rounds) * filled.sizeBytes);
  const fleet = await BenchFleet.start({
    folder: await workshop.newFolder('fleet'),
    version: bench.version,
    profiles: options.profiles,
  });
  const results: Round[] = [];
  try {
    const store = await workshop.newFolder('store');
    const backup = await backUp(bench, fleet.loopback.cluster, store, filled);
    const archive = join(store, fleet.loopback.cluster, keysOf(backup).archive);
    const textOf = specText(fleet, store, sizeBytes);
    const spec = specOf(textOf({ id: 'first', from: { backup } }));
    // The first one also warms up; nothing was there before it.
    await restore(fleet, textOf({ id: 'first', from: { backup } }), 'Restore into nothing');
    for (let round = 0; round < rounds; round++) {
      const bare = await bareRestore(bench, spec, filled);
      const unpacking = await unpackByHand(bench, archive);
      await loseEverything(fleet);
      const loss = await restore(fleet, textOf({ id: `lost-${round}`, from: { backup } }), 'Restore what was lost');
      const discardData = await clusterId(fleet, spec);
      const words = { id: `again-${round}`, from: { backup }, discardData };
      const overwrite = await restore(fleet, textOf(words), 'Restore over the live cluster');
      results.push({ bare, unpacking, loss, overwrite });
    }
  } finally {
    await fleet.stop();
  }
  print(bench, size, results);
}

/** The one backup that all rounds restore, of a member that holds the filled database. */
async function backUp(bench: Bench, cluster: string, store: string, filled: FilledSnapshot): Promise<string> {
  const { workshop, binary, version, options } = bench;
  const spec = singleMember(version, options.sizeBytes);
  const member = await BareCluster.prepare(await workshop.newFolder('member'), spec, binary);
  try {
    await member.startRestored(filled.file);
    await waitUntilServing(member.endpoints, member.credentials);
    const { stdout } = await backUpWithQuorate(member, { folder: store, cluster });
    return nameIn(stdout);
  } finally {
    await member.kill();
  }
}

function nameIn(json: string): string {
  const { name } = JSON.parse(json) as { readonly name?: unknown };
  if (typeof name === 'string') return name;
  throw new Error(`backup create said ${json.slice(0, 200)}`);
}

/** The first spec with the given store, room for the database, and a bootstrap. */
function specText(fleet: BenchFleet, store: string, sizeBytes: number): (bootstrap: object) => string {
  return (bootstrap) => {
    const document = parseDocument(fleet.loopback.firstSpec);
    document.setIn(['spec', 'backup', 'store'], `file://${store}`);
    document.setIn(['spec', 'etcd', 'quota-backend-bytes'], `${Math.ceil((2 * sizeBytes) / 1024 ** 3)}GiB`);
    document.setIn(['spec', 'bootstrap'], document.createNode(bootstrap, { flow: true }));
    return document.toString({ lineWidth: 0 });
  };
}

/** Without unpacking, since the snapshot is at hand as etcdutl wants it. */
async function bareRestore(bench: Bench, like: ClusterSpec, { file }: FilledSnapshot): Promise<number> {
  const folder = await bench.workshop.newFolder('bare');
  const cluster = await BareCluster.prepare(folder, like, bench.binary);
  try {
    await measureSuccess('sync', []);
    const startedAtMs = Date.now();
    await cluster.startRestored(file);
    const { allHealthyAtMs } = await waitUntilServing(cluster.endpoints, cluster.credentials);
    return allHealthyAtMs - startedAtMs;
  } finally {
    await cluster.kill();
    await rm(folder, { recursive: true });
  }
}

/** One after the other, like the restores. */
async function unpackByHand(bench: Bench, archive: string): Promise<number> {
  const folder = await bench.workshop.newFolder('unpacked');
  let took = 0;
  for (let host = 0; host < 3; host++) {
    const script = 'gunzip -c "$0" >"$1"';
    took += (await measureSuccess('sh', ['-c', script, archive, join(folder, 'snapshot.db')])).wallMs;
  }
  await rm(folder, { recursive: true });
  return took;
}

/** As a fire would: processes and everything that the hosts had. Then new hosts of the same names are put up. */
async function loseEverything({ folder, loopback, spec, world }: BenchFleet): Promise<void> {
  await Promise.all(
    loopback.hosts.map(async (host) => {
      await loopback.killHost(host);
      await rm(join(folder, 'hosts', host), { recursive: true, maxRetries: 5, retryDelay: 100 });
    }),
  );
  await loopback.startAgents();
  await Promise.all(
    spec.hosts.map((host) => until(`the agent of ${host.name}`, 60_000, () => world.agent(host).facts())),
  );
}

async function restore(fleet: BenchFleet, spec: string, message: string): Promise<OurRound> {
  await measureSuccess('sync', []);
  const commit = await fleet.commit({ [fleet.loopback.cluster]: spec }, message);
  const run = await fleet.runOf(commit.id, restoreTimeoutMs);
  // Only now is it sure that the members that answer are the restored ones.
  const { allHealthyAtMs } = await waitUntilServing(
    Object.values(fleet.loopback.clientUrls),
    await fleet.credentials(),
  );
  const steps = stepsOf(run);
  const backupMs = steps.filter(({ action }) => action === 'backup').reduce((sum, { took }) => sum + took, 0);
  return {
    took: allHealthyAtMs - commit.returnedAtMs - backupMs,
    wholeRun: allHealthyAtMs - commit.returnedAtMs,
    steps: steps.map(({ action, took }) => `${action} ${(took / 1000).toFixed(1)} s`).join(', '),
  };
}

function stepsOf(run: readonly LogLine[]): readonly { readonly action: string; readonly took: number }[] {
  const begins = run.filter(({ msg }) => msg === 'step begins');
  return begins.map((begin, index) => {
    const end = begins[index + 1]?.atMs ?? run.at(-1)?.atMs ?? begin.atMs;
    return { action: begin.action, took: end - begin.atMs };
  });
}

async function clusterId({ world }: BenchFleet, spec: ClusterSpec): Promise<string> {
  const { store } = await world.sight(spec);
  const id = (await readRecord(store, spec.name))?.record.clusterId ?? null;
  if (id === null) throw new Error('the restored cluster is not on record');
  return id;
}

function print({ report }: Bench, size: string, results: readonly Round[]): void {
  report.note(`content: ${contentText}; the disk is synced before each measurement`);
  report.note('bare: etcdutl snapshot restore of the unpacked snapshot for each member in turn, start, all healthy');
  report.note('ours: from the return of `git commit`; reads the archive, sends, unpacks and checks it on each host');
  const bare = report.sample(
    'bare: restore three times and start',
    results.map((round) => round.bare),
    'ms',
  );
  report.sample(
    'for comparison: gunzip of the archive, three times',
    results.map((round) => round.unpacking),
    'ms',
  );
  for (const [key, what] of [
    ['loss', 'after a total loss'],
    ['overwrite', 'over a live cluster, after its backup'],
  ] as const) {
    const ours = report.sample(
      `ours: ${what}`,
      results.map((round) => round[key].took),
      'ms',
    );
    report.compare('  difference of the medians', ours, bare, 'ms');
    report.note(`  steps: ${results.map((round) => round[key].steps).join('; ')}`);
    const ratio = report.sample(
      '  in terms of bare, pair by pair',
      results.map((round) => round[key].took / round.bare),
      'times',
    );
    report.verdict(
      `restore of ${size} ${what}`,
      `≤ ${allowedRatio} × etcdutl and start`,
      `median ${ratio.median.toFixed(2)} (${(ours.median / 1000).toFixed(1)} s against ${(bare.median / 1000).toFixed(1)} s)`,
      ratio.median <= allowedRatio,
    );
  }
  report.sample(
    'ours: over a live cluster, with its backup',
    results.map((round) => round.overwrite.wholeRun),
    'ms',
  );
}
