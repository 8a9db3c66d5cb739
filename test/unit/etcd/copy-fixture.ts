import { Buffer } from 'node:buffer';
import { connect, createServer, type Socket } from 'node:net';
import { systemClock } from '../../../src/base/clock.ts';
import type { EtcdApi } from '../../../src/etcd/api.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { connectKeyspace, openEnd } from '../../../src/etcd/copy/connect-keyspace.ts';
import { type CopyOptions, type CopyResult, copyKeys } from '../../../src/etcd/copy/copy-keys.ts';
import type { KeyRecord, Keyspace } from '../../../src/etcd/copy/keyspace.ts';
import { type Minor, requireRelease, testBinaries } from '../../support/binaries.ts';
import { createTestCluster, type TestCluster, type TestMember } from './etcd-fixture.ts';

/** A real cluster of one member, and what a copy asks it with. */
export interface Side {
  readonly cluster: TestCluster;
  readonly member: TestMember;
  readonly etcd: EtcdApi;
  readonly keys: Keyspace;
  close(): Promise<void>;
}

export async function startSide(minor: Minor, flags: Readonly<Record<string, string>> = {}): Promise<Side> {
  const cluster = await createTestCluster(await (await testBinaries()).ensure(requireRelease(minor)), flags);
  const host = await cluster.newHost('a');
  const member = await cluster.startMember(host, [host], 'new');
  const { etcd, keys } = openClients(cluster, [member.clientUrl]);
  return {
    cluster,
    member,
    etcd,
    keys,
    close: async () => {
      etcd.close();
      keys.close();
      await cluster.close();
    },
  };
}

export function openClients(cluster: TestCluster, endpoints: readonly string[]): Pick<Side, 'etcd' | 'keys'> {
  const options = { endpoints, credentials: cluster.credentials, clock: systemClock };
  return { etcd: connectEtcd(options), keys: connectKeyspace(options) };
}

export function copy(
  from: Pick<Side, 'etcd' | 'keys'>,
  to: Pick<Side, 'etcd' | 'keys'>,
  options: Partial<CopyOptions> = {},
): Promise<CopyResult> {
  return copyKeys({
    from,
    to,
    revision: undefined,
    withoutAuth: false,
    continues: false,
    clock: systemClock,
    ...options,
  });
}

export interface Item {
  readonly key: Buffer | string;
  readonly value?: Buffer | string;
  readonly lease?: string;
}

/** In one transaction. */
export async function put(space: Keyspace, ...items: readonly Item[]): Promise<void> {
  await space.write({
    conditions: [],
    puts: items.map(({ key, value = '', lease = '0' }) => ({
      key: Buffer.from(key),
      value: Buffer.from(value),
      lease,
    })),
  });
}

/** All keys at a revision, in their order, whatever they weigh. */
export async function everything(space: Keyspace, revision = 0): Promise<readonly KeyRecord[]> {
  const all: KeyRecord[] = [];
  let start: Buffer = openEnd;
  for (;;) {
    const { records, more } = await space.range({ revision, start, end: openEnd, limit: 2 });
    all.push(...records);
    const last = records.at(-1);
    if (!more || last === undefined) return all;
    start = Buffer.concat([last.key, openEnd]);
  }
}

/** What a copy has to keep of them. */
export function contents(records: readonly KeyRecord[]): readonly string[] {
  return records.map(({ key, value, lease }) => `${key.toString('hex')}=${value.toString('hex')}@${lease}`);
}

/** A way to an endpoint that can be cut: connections that are open, and for a while the new ones too. */
export interface CuttableWay {
  readonly url: string;
  cut(forMs?: number): void;
  close(): Promise<void>;
}

export async function cuttableWay(clientUrl: string): Promise<CuttableWay> {
  const { hostname, port } = new URL(clientUrl);
  const open = new Set<Socket>();
  let shutUntilMs = 0;
  const server = createServer((near) => {
    if (systemClock.monotonic() < shutUntilMs) {
      near.destroy();
      return;
    }
    const far = connect({ host: hostname, port: Number(port) });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const cut = (forMs = 0): void => {
    shutUntilMs = systemClock.monotonic() + forMs;
    for (const socket of open) socket.destroy();
  };
  return {
    url: `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    cut,
    close: async () => {
      cut(60_000);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
