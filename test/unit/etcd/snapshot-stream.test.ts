import { randomBytes } from 'node:crypto';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { createTestCluster, type TestCluster, type TestMember } from './etcd-fixture.ts';

const valueBytes = 1024 * 1024;
const valueCount = 32;

describe.skipIf(skipReason('v36') !== undefined)('the snapshot stream', () => {
  let cluster: TestCluster;
  let member: TestMember;

  beforeAll(async () => {
    cluster = await createTestCluster(await (await testBinaries()).ensure(requireRelease('v36')));
    const host = await cluster.newHost('a');
    member = await cluster.startMember(host, [host], 'new');
    await fill(member, cluster);
  });
  afterAll(async () => {
    await cluster.close();
  });

  const connect = () =>
    connectEtcd({
      endpoints: [member.clientUrl],
      credentials: cluster.credentials,
      clock: systemClock,
      snapshotIdleTimeoutMs: 400,
    });

  it('holds no more than a little of the database while the consumer is slow, however long that takes', async () => {
    const etcd = connect();
    let bytes = 0;
    let held = Number.NaN;
    const before = process.memoryUsage().arrayBuffers;
    for await (const chunk of etcd.snapshot(member.clientUrl)) {
      bytes += chunk.length;
      // Longer than the idle time-out, which is for etcd and not for us.
      if (bytes === chunk.length) {
        await systemClock.sleep(600);
        held = process.memoryUsage().arrayBuffers - before;
      }
    }
    expect(bytes).toBeGreaterThan(valueBytes * valueCount);
    expect(held).toBeLessThan((valueBytes * valueCount) / 4);
    etcd.close();
  });

  it('ends with etcd-timeout when etcd stops sending', async () => {
    const etcd = connect();
    const startedMs = systemClock.monotonic();
    const reading = (async () => {
      let isFirst = true;
      for await (const _chunk of etcd.snapshot(member.clientUrl)) {
        if (isFirst) await member.kill('SIGSTOP');
        isFirst = false;
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'etcd-timeout', kind: 'transient' });
    expect(systemClock.monotonic() - startedMs).toBeLessThan(2000);
    await member.kill('SIGCONT');
    expect((await etcd.status(member.clientUrl)).version).toBe(cluster.spec.version);
    etcd.close();
  });

  it('ends when the signal aborts, and when the consumer leaves', async () => {
    const etcd = connect();
    const abort = new AbortController();
    const reading = (async () => {
      for await (const _chunk of etcd.snapshot(member.clientUrl, abort.signal)) abort.abort(new Error('enough'));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'etcd-cancelled', cause: new Error('enough') });
    const late = etcd.snapshot(member.clientUrl, abort.signal)[Symbol.asyncIterator]();
    await expect(late.next()).rejects.toBeInstanceOf(QuorateError);
    let chunks = 0;
    for await (const chunk of etcd.snapshot(member.clientUrl)) {
      chunks += Math.min(1, chunk.length);
      break;
    }
    expect(chunks).toBe(1);
    etcd.close();
  });

  it('fails when etcd dies in the middle', async () => {
    const etcd = connect();
    const reading = (async () => {
      let isFirst = true;
      for await (const _chunk of etcd.snapshot(member.clientUrl)) {
        if (isFirst) await member.kill('SIGKILL');
        isFirst = false;
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'etcd-unreachable' });
    await member.start();
    const iterator = etcd.snapshot(member.clientUrl)[Symbol.asyncIterator]();
    expect((await iterator.next()).done).toBe(false);
    await iterator.return?.();
    etcd.close();
  });
});

async function fill(member: TestMember, { credentials }: TestCluster): Promise<void> {
  const client = new Etcd3({
    hosts: member.clientUrl,
    credentials: {
      rootCertificate: Buffer.from(credentials.ca),
      privateKey: Buffer.from(credentials.key),
      certChain: Buffer.from(credentials.certificate),
    },
  });
  for (let index = 0; index < valueCount; index++) await client.put(`key-${index}`).value(randomBytes(valueBytes));
  client.close();
}
