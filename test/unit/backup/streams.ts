import { createHash } from 'node:crypto';
import type { BackupFacts } from '../../../src/backup/snapshot.ts';
import { QuorateError } from '../../../src/base/errors.ts';

/** Reproducible bytes that gzip shrinks to something like a third, as real databases do. */
export function databaseOf(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let offset = 0; offset + 16 <= sizeBytes; offset += 16) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.write('/registry/k=', offset, 'latin1');
    bytes.writeUInt32LE(state, offset + 12);
  }
  return bytes;
}

/** A database and its SHA-256, as etcd sends it. */
export function snapshotOf(database: Uint8Array): Buffer {
  return Buffer.concat([database, createHash('sha256').update(database).digest()]);
}

/** In chunks of the size that etcd uses, unless told otherwise. */
export async function* streamOf(bytes: Uint8Array, chunkBytes = 32 * 1024): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += chunkBytes)
    yield bytes.subarray(offset, offset + chunkBytes);
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

export const facts: BackupFacts = {
  etcdVersion: '3.5.33',
  memberCount: 3,
  revision: 42,
  hash: 4_000_000_000,
  clusterId: 'cdf818194e3a8c32',
  source: 'b',
  members: [{ id: '8e9e05c52164694d', name: 'a', peerUrls: ['https://10.0.0.11:2380'] }],
  reason: 'before-change',
  commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  run: 'r1',
};

/** The error that something rejects with; fails when it does not reject, or not with ours. */
export async function errorOf(act: Promise<unknown>): Promise<QuorateError> {
  try {
    await act;
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
