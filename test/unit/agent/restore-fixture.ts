import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { readLastLines } from '../../../src/agent/log-file.ts';
import { memberPaths, tlsPaths } from '../../../src/agent/paths.ts';
import type { PrepareRestoreRequest, StartRequest } from '../../../src/agent/wire.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { type Minor, requireRelease, testBinaries } from '../../support/binaries.ts';
import { createTestCluster } from '../etcd/etcd-fixture.ts';

const run = promisify(execFile);

export interface TestArchive {
  readonly backup: string;
  readonly archive: Buffer;
  readonly sha256: string;
  /** Of the database in it. */
  readonly dbSizeBytes: number;
  /** Hexadecimal; `leased` hangs on it. */
  readonly leaseId: string;
  /** Of the last write. */
  readonly revision: number;
}

/** The archive of a real member that holds `stable` (two versions), `leased`, `deleted` (gone) and one big value. */
export async function makeArchive(minor: Minor): Promise<TestArchive> {
  const binary = await (await testBinaries()).ensure(requireRelease(minor));
  const etcd = await createTestCluster(binary);
  try {
    const host = await etcd.newHost('a');
    const member = await etcd.startMember(host, [host], 'new');
    const granted = await etcd.etcdctl(member, 'lease', 'grant', '3600');
    const leaseId = /lease ([0-9a-f]+) granted/.exec(granted)?.[1] ?? '';
    await etcd.etcdctl(member, 'put', 'stable', 'first');
    await etcd.etcdctl(member, 'put', 'leased', 'for an hour', '--lease', leaseId);
    await etcd.etcdctl(member, 'put', 'deleted', 'soon');
    await etcd.etcdctl(member, 'del', 'deleted');
    await etcd.etcdctl(member, 'put', 'big', 'x'.repeat(100_000));
    await etcd.etcdctl(member, 'put', 'stable', 'second');
    const read = JSON.parse(await etcd.etcdctl(member, 'get', 'stable', '-w', 'json')) as Answer;
    await etcd.etcdctl(member, 'snapshot', 'save', etcd.file('snapshot'));
    return await archiveOf(await readFile(etcd.file('snapshot')), leaseId, read.header.revision);
  } finally {
    await etcd.close();
  }
}

export async function archiveOf(snapshot: Buffer, leaseId = '', revision = 0): Promise<TestArchive> {
  const archive = await promisify(gzip)(snapshot, { level: 1 });
  const dbSizeBytes = snapshot.byteLength - 32;
  return { backup: '2026-11-20T15:29:48Z-000003', archive, sha256: sha256Of(archive), dbSizeBytes, leaseId, revision };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** In chunks of the size that a store gives. */
export async function* inChunks(bytes: Uint8Array, chunkBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += chunkBytes) {
    yield bytes.subarray(offset, offset + chunkBytes);
  }
}

/** What prepares a cluster of one member that `start` can then run. */
export function prepareFor(
  start: StartRequest,
  { backup }: Pick<TestArchive, 'backup'>,
  change: Partial<PrepareRestoreRequest> = {},
): PrepareRestoreRequest {
  return {
    bootstrapId: 'restored',
    backup,
    version: start.version,
    member: start.member,
    peerUrl: start.flags['initial-advertise-peer-urls'] ?? '',
    initialCluster: start.join?.initialCluster ?? '',
    token: 'after-the-restore',
    bumpRevision: 0,
    ...change,
  };
}

export interface Answer {
  readonly header: { readonly revision: number; readonly cluster_id: bigint };
  readonly kvs?: readonly { readonly key: string; readonly value: string; readonly lease?: number }[];
}

/** `etcdctl` against a member of an agent, with the member's own certificate; rejects with what it said. */
export async function etcdctl(
  dataDir: string,
  cluster: string,
  start: StartRequest,
  ...args: readonly string[]
): Promise<string> {
  const binary = await (await testBinaries()).ensure(start.version);
  const { leaf, trust } = tlsPaths(memberPaths(dataDir, cluster).tls, 'client');
  const endpoint = start.flags['advertise-client-urls'] ?? '';
  const tls = ['--cacert', trust, '--cert', leaf, '--key', leaf];
  const { stdout } = await run(binary.etcdctl ?? '', ['--endpoints', endpoint, ...tls, ...args], {
    env: { ETCDCTL_API: '3' },
  });
  return stdout;
}

/** Reads with a quorum until the member that was just started answers. */
export async function untilServes(dataDir: string, cluster: string, start: StartRequest): Promise<void> {
  let last: unknown;
  const waited = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 100 }, async () => {
    try {
      return await etcdctl(dataDir, cluster, start, '--command-timeout=2s', 'get', 'stable');
    } catch (error) {
      last = error;
      return undefined;
    }
  });
  if (waited.seen) return;
  const log = await readLastLines(memberPaths(dataDir, cluster).logFile, 20);
  throw new Error(`${start.member} does not serve; its log ends with\n${log.join('\n')}`, { cause: last });
}

/** A folder of a cluster's restore. */
export function restoreFolder(dataDir: string, cluster: string): string {
  return join(memberPaths(dataDir, cluster).root, 'restore');
}

/** How something ends that is looked at later: what it gives, or what it fails with. */
export function settled(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => error);
}
