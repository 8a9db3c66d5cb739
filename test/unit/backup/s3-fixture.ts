import { randomBytes } from 'node:crypto';
import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { Backup, ObjectStore } from '../../../src/backup/store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import type { S3Server } from '../../support/s3-server.ts';
import { facts, snapshotOf, streamOf } from './streams.ts';

export const MiB = 1024 * 1024;

/** A store of its own in the server's bucket, straight and through a proxy. */
export interface ProxiedStore {
  readonly prefix: string;
  readonly store: ObjectStore;
  readonly proxy: FaultProxy;
  readonly proxied: ObjectStore;
}

export async function openProxied(server: S3Server, parameters = ''): Promise<ProxiedStore> {
  const prefix = `t-${randomBytes(6).toString('hex')}`;
  const proxy = await startFaultProxy({ target: server.endpoint, signingKey: server.signingKey });
  onTestFinished(() => proxy.stop());
  return {
    prefix,
    proxy,
    store: await openIt(server.storeUrl(prefix)),
    proxied: await openIt(server.storeUrl(prefix, proxy.url) + parameters),
  };
}

export async function openIt(url: string): Promise<ObjectStore> {
  return await openStore(url, 'orders', { log: silentLogger, clock: systemClock });
}

/** One that gzip cannot shrink, so that its size is also that of the archive. */
export function incompressible(mebibytes: number): Buffer {
  return snapshotOf(randomBytes(mebibytes * MiB));
}

export async function backUp(store: ObjectStore, snapshot: Uint8Array): Promise<Backup> {
  return await takeBackup({ source: streamOf(snapshot), store, facts, clock: systemClock, log: silentLogger });
}

/** Keys of the uploads below a prefix that were begun and neither finished nor aborted. */
export async function unfinishedUploads(server: S3Server, prefix: string): Promise<readonly string[]> {
  const client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true });
  try {
    const found = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket, Prefix: `${prefix}/` }));
    return (found.Uploads ?? []).map(({ Key = '' }) => Key);
  } finally {
    client.destroy();
  }
}
