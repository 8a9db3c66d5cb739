import { randomBytes } from 'node:crypto';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { KVClient } from 'etcd3';
import { systemClock } from '../../../src/base/clock.ts';
import { ensureFolder } from '../../../src/base/files.ts';
import { formatSize } from '../../../src/base/size.ts';
import { userCacheDir } from '../../../src/etcd/binaries/cache-dir.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { EndpointConnection } from '../../../src/etcd/connection.ts';
import type { Bench } from '../bench.ts';
import { BareCluster } from './bare-cluster.ts';
import { waitUntilServing } from './serving.ts';
import { singleMember } from './single-member.ts';

/** Like the larger objects of a Kubernetes cluster; small ones would only make the filling slow. */
const valueBytes = 256 * 1024;
const parallelPuts = 8;
/** Raised when the content is made another way, so that an older file in the cache is not taken for it. */
const contentVersion = 1;

export const contentText = `objects in JSON of ${formatSize(valueBytes)}, half of each random base64, so that gzip -1 halves them`;

export interface FilledSnapshot {
  /** As etcd streamed it, with its trailing hash. */
  readonly file: string;
  readonly sizeBytes: number;
}

/**
 * The snapshot of a real etcd that was filled with `sizeBytes` of keys. Kept in the cache of the user, since filling
 * takes longer than most of what is measured with it.
 */
export async function filledSnapshot(bench: Bench, sizeBytes: number): Promise<FilledSnapshot> {
  const folder = join(await userCacheDir(process.env), 'bench');
  const file = join(folder, `etcd-${bench.version}-${sizeBytes}-bytes-v${contentVersion}.db`);
  const found = await stat(file).catch(() => undefined);
  if (found !== undefined) return { file, sizeBytes: found.size };
  await ensureFolder(folder);
  const cluster = await BareCluster.prepare(
    await bench.workshop.newFolder('filling'),
    singleMember(bench.version, sizeBytes),
    bench.binary,
  );
  try {
    const startedMs = systemClock.monotonic();
    await cluster.startAnew({
      // The content counts, not that it outlives a power cut; and no copy of it in memory for followers.
      'unsafe-no-fsync': 'true',
      'snapshot-count': '64',
      'snapshot-catchup-entries': '64',
    });
    await waitUntilServing(cluster.endpoints, cluster.credentials);
    await fill(cluster, sizeBytes);
    const part = `${file}.${process.pid}`;
    await cluster.etcdctl(cluster.endpoints, 'snapshot', 'save', part);
    await rename(part, file);
    const seconds = (systemClock.monotonic() - startedMs) / 1000;
    bench.report.note(`filled a database of ${formatSize(sizeBytes)} in ${seconds.toFixed(0)} s, kept as ${file}`);
  } finally {
    await cluster.kill();
  }
  return { file, sizeBytes: (await stat(file)).size };
}

async function fill({ endpoints: [url = ''], credentials }: BareCluster, sizeBytes: number): Promise<void> {
  const { ca, certificate, key } = credentials;
  const etcd = connectEtcd({ endpoints: [url], credentials, clock: systemClock });
  const connection = new EndpointConnection(url, createSecureContext({ ca, cert: certificate, key }), systemClock);
  try {
    let next = 0;
    // A round adds what is missing; pages and the tree take a little more than the values.
    for (let round = 0; round < 20; round++) {
      const missing = sizeBytes - (await etcd.status(url)).dbSizeBytes;
      if (missing <= 0) return;
      const end = next + Math.max(1, Math.floor((missing * 0.98) / valueBytes));
      const putInTurn = async (): Promise<void> => {
        while (next < end) {
          const index = next++;
          await new KVClient(connection.callable(60_000, 10_000)).put({
            key: Buffer.from(`/registry/configmaps/team-${index % 40}/settings-${index}`),
            value: objectOf(index),
          });
        }
      };
      await Promise.all(Array.from({ length: parallelPuts }, putInTurn));
    }
    throw new Error(`the database did not grow to ${formatSize(sizeBytes)}`);
  } finally {
    etcd.close();
    connection.close();
  }
}

const entryRandom = 150;

/** A ConfigMap-like object, about half of it random, as hashes, tokens and certificates are. */
function objectOf(index: number): Buffer {
  const entries: string[] = [];
  const random = randomBytes((valueBytes * 3) / 4).toString('base64');
  let length = 0;
  for (let entry = 0; length < valueBytes; entry++) {
    const token = random.slice(entry * entryRandom, (entry + 1) * entryRandom);
    const text = `{"name":"backend-${entry}","namespace":"team-${index % 40}","phase":"Running","restartPolicy":"Always","token":"${token}"}`;
    entries.push(text);
    length += text.length + 1;
  }
  return Buffer.from(
    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings-${index}"},"data":[${entries.join(',')}]}`,
  );
}
