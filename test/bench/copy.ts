import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../../src/base/clock.ts';
import { connectKeyspace } from '../../src/etcd/copy/connect-keyspace.ts';
import type { Keyspace } from '../../src/etcd/copy/keyspace.ts';
import type { ClusterSpec } from '../../src/spec/cluster-spec.ts';
import type { Bench } from './bench.ts';
import { BareCluster } from './support/bare-cluster.ts';
import { quorateProgram } from './support/fleet.ts';
import { measureSuccess } from './support/measured-command.ts';
import { until } from './support/serving.ts';
import { singleMember } from './support/single-member.ts';

const wantedRate = 20_000;
/** What a user of etcd-manager measured for its restore, which writes keys one by one. Not measured here. */
const reportedRate = 725;
const keyCount = 200_000;
/** etcdctl takes them one by one, so it gets fewer; they are a part of the others. */
const mirroredPrefix = '/registry/things/00000000000';
const mirroredCount = 10_000;
const valueBytes = 64;
const databaseBytes = 1024 ** 3;

/** `quorate copy-keys` of small keys between two clusters, with its comparison, beside `etcdctl make-mirror`. */
export async function benchCopy(bench: Bench): Promise<void> {
  const { report, workshop, options } = bench;
  const rounds = options.rounds ?? 3;
  report.heading(`copy of ${keyCount} small keys (32 bytes, values of ${valueBytes}) into another cluster`);
  const one = singleMember(bench.version, databaseBytes);
  const source = await BareCluster.prepare(await workshop.newFolder('source'), one, bench.binary);
  const rates = { single: [] as number[], large: [] as number[], three: [] as number[], mirror: [] as number[] };
  const peaks: number[] = [];
  const copyInto = async (spec: ClusterSpec, maxTxnOps: number): Promise<number> =>
    withTarget(bench, spec, maxTxnOps, async (target, keys) => {
      const [program, ...first] = quorateProgram(options.profiles);
      const words = [...sideWords('from', source), ...sideWords('to', target), `--max-txn-ops=${maxTxnOps}`];
      const { wallMs, peakBytes } = await measureSuccess(program, [...first, 'copy-keys', ...words]);
      if ((await keys.head()).keyCount !== keyCount) throw new Error('the target does not hold all keys');
      peaks.push(peakBytes / 1024 ** 2);
      return (keyCount / wallMs) * 1000;
    });
  try {
    await source.startAnew();
    await fill(source);
    for (let round = 0; round < rounds; round++) {
      rates.mirror.push(await withTarget(bench, one, 128, (target, keys) => mirror(source, target, keys)));
      rates.single.push(await copyInto(one, 128));
      rates.large.push(await copyInto(one, 1024));
      rates.three.push(await copyInto(threeMembers(one), 128));
    }
  } finally {
    await source.kill();
  }
  report.note('ours: the command from its start to its end, reading, writing and comparing');
  const bare = report.sample(`bare: etcdctl make-mirror of ${mirroredCount} keys`, rates.mirror, 'keys/s');
  const ours = report.sample('ours: one member to one member', rates.single, 'keys/s');
  report.compare('  difference of the medians', ours, bare, 'keys/s');
  report.sample('ours: with max-txn-ops of 1024', rates.large, 'keys/s');
  report.sample('ours: one member to three members', rates.three, 'keys/s');
  report.sample('ours: resident memory at its highest', peaks, 'MiB', 'copies');
  report.note(`etcd-manager, reported: ${reportedRate} keys/s, without leases and without a comparison`);
  report.verdict(
    'copy of keys',
    `≥ ${wantedRate} keys/s`,
    `median ${ours.median.toFixed(0)} keys/s (make-mirror ${bare.median.toFixed(0)}, reported ${reportedRate})`,
    ours.median >= wantedRate,
  );
}

async function fill(source: BareCluster): Promise<void> {
  const keys = await connected(source);
  try {
    for (let index = 0; index < keyCount; index += 100)
      await keys.write({
        conditions: [],
        puts: Array.from({ length: 100 }, (_, step) => ({
          // Not in the order of keys: 7919 is prime, so all of them come up once.
          key: Buffer.from(`/registry/things/${String(((index + step) * 7919) % keyCount).padStart(15, '0')}`),
          value: Buffer.alloc(valueBytes, index),
          lease: '0',
        })),
      });
  } finally {
    keys.close();
  }
}

/** A new cluster with nothing in it, for one copy. */
async function withTarget<T>(
  { workshop, binary }: Bench,
  spec: ClusterSpec,
  maxTxnOps: number,
  use: (target: BareCluster, keys: Keyspace) => Promise<T>,
): Promise<T> {
  const target = await BareCluster.prepare(await workshop.newFolder('target'), spec, binary);
  try {
    await target.startAnew({ 'max-txn-ops': String(maxTxnOps) });
    const keys = await connected(target);
    try {
      return await use(target, keys);
    } finally {
      keys.close();
    }
  } finally {
    await target.kill();
  }
}

async function connected({ endpoints, credentials }: BareCluster): Promise<Keyspace> {
  const keys = connectKeyspace({ endpoints, credentials, clock: systemClock });
  await until('the cluster', 60_000, () => keys.head());
  return keys;
}

/** Keys a second of what etcdctl has for this. It goes on with watching, so it is ended when all keys are there. */
async function mirror(source: BareCluster, target: BareCluster, keys: Keyspace): Promise<number> {
  const { cacert, cert, key } = target.clientFiles;
  const [endpoint = ''] = target.endpoints;
  const [program, ...args] = source.etcdctlCommand(
    source.endpoints,
    'make-mirror',
    `--prefix=${mirroredPrefix}`,
    '--dest-insecure-transport=false',
    `--dest-cacert=${cacert}`,
    `--dest-cert=${cert}`,
    `--dest-key=${key}`,
    endpoint.replace('https://', ''),
  );
  const startedMs = systemClock.monotonic();
  const child = spawn(program, args, { stdio: 'ignore' });
  const gone = once(child, 'exit');
  try {
    await until('make-mirror', 120_000, async () => {
      const { keyCount: there } = await keys.head();
      if (there < mirroredCount) throw new Error(`${there} keys are there`);
    });
    return (mirroredCount / (systemClock.monotonic() - startedMs)) * 1000;
  } finally {
    child.kill('SIGKILL');
    await gone;
  }
}

function sideWords(side: 'from' | 'to', { endpoints, clientFiles }: BareCluster): readonly string[] {
  const { cacert, cert, key } = clientFiles;
  return [
    `--${side}=${endpoints.join(',')}`,
    `--${side}-cacert=${cacert}`,
    `--${side}-cert=${cert}`,
    `--${side}-key=${key}`,
  ];
}

function threeMembers(one: ClusterSpec): ClusterSpec {
  return { ...one, members: 3, hosts: one.hosts.flatMap((host) => ['a', 'b', 'c'].map((name) => ({ ...host, name }))) };
}
