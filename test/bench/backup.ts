import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openFileStore } from '../../src/backup/file-store.ts';
import { verifyBackup } from '../../src/backup/verify.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { formatSize } from '../../src/base/size.ts';
import type { Bench } from './bench.ts';
import { backUpWithQuorate } from './support/backup-command.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { contentText, filledSnapshot } from './support/filled-snapshot.ts';
import { type MeasuredCommand, measureCommand, measureSuccess } from './support/measured-command.ts';
import { checkRoom } from './support/room.ts';
import { waitUntilServing } from './support/serving.ts';
import { singleMember } from './support/single-member.ts';

const allowedSpeed = 0.9;
const allowedMiB = 200;
const cluster = 'large';
const mebibyte = 1024 * 1024;

interface Round {
  readonly bareMs: number;
  readonly etcdctlMiB: number;
  readonly ourMs: number;
  readonly ourMiB: number;
  readonly bareUnpackMs: number;
  readonly verifyMs: number;
}

/** A backup of a filled database to a folder, beside `etcdctl snapshot save` piped through `gzip -1`. */
export async function benchBackup(bench: Bench): Promise<void> {
  const { report, workshop, options } = bench;
  const { sizeBytes, rounds = 3 } = options;
  const size = formatSize(sizeBytes);
  report.heading(`backup of a database of ${size} to a folder`);
  const filled = await filledSnapshot(bench, sizeBytes);
  await checkRoom(workshop.folder, 3 * filled.sizeBytes);
  const member = await BareCluster.prepare(
    await workshop.newFolder('member'),
    singleMember(bench.version, sizeBytes),
    bench.binary,
  );
  const results: Round[] = [];
  try {
    await member.startRestored(filled.file);
    await waitUntilServing(member.endpoints, member.credentials);
    // Both find the database in the page cache.
    await member.etcdctl(
      member.endpoints,
      'snapshot',
      'save',
      join(await workshop.newFolder('warm-up'), 'snapshot.db'),
    );
    for (let round = 0; round < rounds; round++)
      results.push(await measureRound(bench, member, filled.sizeBytes, round));
  } finally {
    await member.kill();
  }
  print(bench, size, results);
}

async function measureRound(bench: Bench, member: BareCluster, sizeBytes: number, round: number): Promise<Round> {
  const bareFolder = await bench.workshop.newFolder('bare');
  const ourFolder = await bench.workshop.newFolder('ours');
  // In turn first and second, so that neither always finds the quieter disk.
  const bareFirst = round % 2 === 0;
  const early = bareFirst ? await bareBackup(member, bareFolder) : undefined;
  const ours = await ourBackup(bench, member, ourFolder);
  const bare = early ?? (await bareBackup(member, bareFolder));
  const bareUnpackMs = await bareUnpack(bareFolder, sizeBytes);
  const verifyMs = await ourVerification(ourFolder);
  await Promise.all([bareFolder, ourFolder].map((each) => rm(each, { recursive: true })));
  return {
    bareMs: bare.wallMs,
    etcdctlMiB: bare.peakBytes / mebibyte,
    ourMs: ours.wallMs,
    ourMiB: ours.peakBytes / mebibyte,
    bareUnpackMs,
    verifyMs,
  };
}

/**
 * etcdctl writes to NAME.part and renames it. Where that is a FIFO, gzip reads while etcdctl writes; only its fsync
 * at the very end fails then, after the last byte. Nothing is flushed to the disk and nothing verified.
 */
async function bareBackup(member: BareCluster, folder: string): Promise<MeasuredCommand> {
  const name = join(folder, 'snapshot.db');
  await measureSuccess('mkfifo', [`${name}.part`]);
  await measureSuccess('sync', []);
  const startedMs = systemClock.monotonic();
  const failed = new AbortController();
  const script = 'exec gzip -1 <"$0.part" >"$0.gz"';
  const gzip = measureCommand('sh', ['-c', script, name], failed.signal);
  gzip.catch(() => undefined);
  const [program, ...args] = member.etcdctlCommand(member.endpoints, 'snapshot', 'save', name);
  const etcdctl = await measureCommand(program, args);
  if (!etcdctl.stderr.includes('could not fsync snapshot')) {
    failed.abort();
    throw new Error(`etcdctl ended with ${etcdctl.exitCode}: ${etcdctl.stderr.trim().slice(-2000)}`);
  }
  const { exitCode, stderr } = await gzip;
  if (exitCode !== 0) throw new Error(`gzip ended with ${exitCode}: ${stderr}`);
  return { ...etcdctl, wallMs: systemClock.monotonic() - startedMs };
}

async function ourBackup(bench: Bench, member: BareCluster, folder: string): Promise<MeasuredCommand> {
  await measureSuccess('sync', []);
  return backUpWithQuorate(member, { folder, cluster, profiles: bench.options.profiles });
}

/** Also proves that the bare backup holds everything. */
async function bareUnpack(folder: string, sizeBytes: number): Promise<number> {
  const file = join(folder, 'snapshot.db.gz');
  const { wallMs } = await measureSuccess('sh', ['-c', 'gunzip -c "$0" | sha256sum', file]);
  const { stdout } = await measureSuccess('sh', ['-c', 'gunzip -c "$0" | wc -c', file]);
  // The member has written a little since the snapshot that it was made from, but hardly grown.
  if (Number(stdout) < sizeBytes * 0.99) throw new Error(`the bare backup unpacks to ${stdout.trim()} bytes only`);
  return wallMs;
}

async function ourVerification(folder: string): Promise<number> {
  const store = openFileStore({ folder, cluster, clock: systemClock, log: silentLogger });
  const name = (await store.list('')).find(({ key }) => key.endsWith('/etcd.backup.gz'))?.key.split('/')[0] ?? '';
  const startedMs = systemClock.monotonic();
  const { whole, hasProof, problems } = await verifyBackup(store, name, { clock: systemClock });
  if (!whole || !hasProof) throw new Error(`the backup ${name} is not whole: ${problems.join('; ')}`);
  return systemClock.monotonic() - startedMs;
}

function print({ report }: Bench, size: string, results: readonly Round[]): void {
  const all = (key: keyof Round): readonly number[] => results.map((round) => round[key]);
  report.note(`content: ${contentText}; one member with TLS, database in the page cache`);
  report.note('bare: etcdctl snapshot save into a FIFO that gzip -1 reads into a file; no flush to the disk, no check');
  report.note(
    'ours: quorate backup create, the whole process: hash of the keys, snapshot, its check, flush, read-back',
  );
  const bare = report.sample('bare: etcdctl snapshot save | gzip -1', all('bareMs'), 'ms');
  const ours = report.sample('ours: quorate backup create', all('ourMs'), 'ms');
  report.compare('  difference of the medians', ours, bare, 'ms');
  const speed = report.sample(
    'ours: speed in terms of bare, pair by pair',
    results.map(({ bareMs, ourMs }) => bareMs / ourMs),
    'times',
  );
  report.sample('bare: peak memory of etcdctl', all('etcdctlMiB'), 'MiB');
  const memory = report.sample('ours: peak memory', all('ourMiB'), 'MiB');
  report.sample('bare: gunzip | sha256sum', all('bareUnpackMs'), 'ms');
  report.sample('ours: verification, proof and snapshot', all('verifyMs'), 'ms');
  report.verdict(
    `backup of ${size}, speed`,
    `≥ ${allowedSpeed} of etcdctl | gzip -1`,
    `median ${speed.median.toFixed(2)} (${formatSeconds(ours.median)} against ${formatSeconds(bare.median)})`,
    speed.median >= allowedSpeed,
  );
  report.verdict(
    `backup of ${size}, memory`,
    `< ${allowedMiB} MiB`,
    `max ${memory.max.toFixed(0)} MiB`,
    memory.max < allowedMiB,
  );
}

function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
