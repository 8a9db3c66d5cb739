import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { EtcdApi } from '../../../src/etcd/api.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { type Minor, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { createTestCluster, createTestPki, type TestCluster, type TestMember } from './etcd-fixture.ts';

const minors: readonly Minor[] = ['v34', 'v35', 'v36'];

describe.each(minors)('%s', (minor) => {
  describe.skipIf(skipReason(minor) !== undefined)('connectEtcd', () => {
    let cluster: TestCluster;
    let first: TestMember;
    let etcd: EtcdApi;

    beforeAll(async () => {
      cluster = await createTestCluster(await (await testBinaries()).ensure(requireRelease(minor)));
      const host = await cluster.newHost('a');
      first = await cluster.startMember(host, [host], 'new');
      etcd = connect([first.clientUrl]);
    });
    afterAll(async () => {
      etcd.close();
      await cluster.close();
    });

    const connect = (endpoints: readonly string[], timeoutMs = 2000): EtcdApi =>
      connectEtcd({ endpoints, credentials: cluster.credentials, clock: systemClock, timeoutMs });

    it('lists members, status and alarms as etcdctl does', async () => {
      const list = await etcd.memberList();
      const status = await etcd.status(first.clientUrl);
      const [member] = list.members;
      const shown = await cluster.etcdctl(first, 'member', 'list');

      expect(shown).toContain(`${member?.id}, started, a, ${first.peerUrl}, ${first.clientUrl}, false`);
      expect(list.members).toHaveLength(1);
      expect(status).toMatchObject({
        clusterId: list.clusterId,
        memberId: member?.id,
        leaderId: member?.id,
        version: cluster.spec.version,
        isLearner: false,
        errors: [],
      });
      expect(status.dbSizeBytes).toBeGreaterThanOrEqual(status.dbSizeInUseBytes);
      expect(await etcd.alarms()).toEqual([]);
    });

    it('hashes keys to what etcdctl says', async () => {
      await cluster.etcdctl(first, 'put', 'key', 'value');
      await cluster.etcdctl(first, 'put', 'key', 'other');
      const { revision } = await etcd.status(first.clientUrl);
      const hash = await etcd.hashKv(first.clientUrl, 0);
      const shown = await cluster.etcdctl(first, 'endpoint', 'hashkv', '--write-out=json');

      expect(hash).toEqual({ hash: hash.hash, revision, compactRevision: compactRevisionIn(shown) });
      expect(shown).toContain(`"hash":${hash.hash}`);
      expect((await etcd.hashKv(first.clientUrl, revision - 1)).hash).not.toBe(hash.hash);
      await expect(etcd.hashKv(first.clientUrl, revision + 100)).rejects.toMatchObject({ code: 'revision-in-future' });
    });

    it('counts the keys of any revision, whatever their names', async () => {
      const before = await etcd.keyCount(first.clientUrl, 0);
      // The smallest and the largest names that there can be on a command line.
      for (const key of ['\u0001', '/a/b', 'é', '\u{10ffff}']) await cluster.etcdctl(first, 'put', key, 'value');
      const { revision } = await etcd.status(first.clientUrl);
      expect(await etcd.keyCount(first.clientUrl, 0)).toBe(before + 4);
      await cluster.etcdctl(first, 'put', 'é', 'again');
      await cluster.etcdctl(first, 'del', '/a/b');
      expect(await etcd.keyCount(first.clientUrl, 0)).toBe(before + 3);
      expect(await etcd.keyCount(first.clientUrl, revision)).toBe(before + 4);
      expect(await etcd.keyCount(first.clientUrl, revision - 4)).toBe(before);
      await expect(etcd.keyCount(first.clientUrl, revision + 100)).rejects.toMatchObject({
        code: 'revision-in-future',
      });
    });

    it('streams a snapshot with a good trailing hash', async () => {
      const bytes = await readAll(etcd.snapshot(first.clientUrl));
      expect(bytes.length % 512).toBe(32);
      const body = bytes.subarray(0, -32);
      expect(createHash('sha256').update(body).digest()).toEqual(bytes.subarray(-32));
    });

    it('sees a restarted endpoint with the next call', async () => {
      const before = await etcd.status(first.clientUrl);
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        await first.kill(signal);
        await expect(etcd.status(first.clientUrl)).rejects.toMatchObject({
          code: 'etcd-unreachable',
          kind: 'transient',
        });
        await expect(etcd.memberList()).rejects.toMatchObject({ code: 'etcd-unreachable' });
        await first.start();
        const startedMs = systemClock.monotonic();
        expect((await etcd.status(first.clientUrl)).memberId).toBe(before.memberId);
        expect((await etcd.memberList()).members).toHaveLength(1);
        expect(systemClock.monotonic() - startedMs).toBeLessThan(1000);
      }
    });

    it('goes on to the next endpoint, and remembers the one that answered', async () => {
      const gone = await cluster.newHost('gone');
      const client = connect([`https://127.0.0.1:${gone.ports.client}`, first.clientUrl]);
      expect((await client.memberList()).members).toHaveLength(1);
      expect((await client.memberList()).members).toHaveLength(1);
      client.close();
      await expect(client.memberList()).rejects.toMatchObject({ code: 'etcd-client-closed' });
    });

    it('gives up on an endpoint that hangs', async () => {
      const client = connect([first.clientUrl], 300);
      await client.status(first.clientUrl);
      await first.kill('SIGSTOP');
      const startedMs = systemClock.monotonic();
      await expect(client.status(first.clientUrl)).rejects.toMatchObject({ code: 'etcd-timeout' });
      // The connection was given up, and a new one does not come about.
      await expect(client.status(first.clientUrl)).rejects.toMatchObject({ code: 'etcd-unreachable' });
      expect(systemClock.monotonic() - startedMs).toBeLessThan(1500);
      await first.kill('SIGCONT');
      expect((await client.status(first.clientUrl)).version).toBe(cluster.spec.version);
      client.close();
    });

    it('says why TLS failed on either side', async () => {
      const stranger = await createTestPki('two');
      const theirs = await stranger.leaf('quorate');
      const distrusting = { ...cluster.credentials, ca: stranger.ca };
      const distrusted = { ...theirs, ca: cluster.credentials.ca };
      for (const [credentials, reason] of [
        [distrusting, /self-signed|unable to (verify|get)/],
        [distrusted, /certificate|alert|closed|dropped|reset/i],
      ] as const) {
        const client = connectEtcd({ endpoints: [first.clientUrl], credentials, clock: systemClock });
        const error = await failureOf(client.memberList());
        expect(error).toMatchObject({ code: 'etcd-unreachable' });
        expect(error.summary).toMatch(reason);
        client.close();
      }
    });

    it('adds, promotes and removes a learner and moves the leader', async () => {
      const host = await cluster.newHost('b');
      const peer = `https://127.0.0.1:${host.ports.peer}`;
      await etcd.memberRemove(await etcd.memberAddLearner('https://127.0.0.1:1'));
      expect((await etcd.memberList()).members).toHaveLength(1);

      const id = await etcd.memberAddLearner(peer);
      expect((await etcd.memberList()).members.find((member) => member.id === id)).toEqual({
        id,
        name: '',
        peerUrls: [peer],
        clientUrls: [],
        isLearner: true,
      });
      expect(await failureOf(etcd.memberPromote(id))).toMatchObject({ code: 'learner-not-ready', kind: 'waiting' });
      await expect(etcd.memberAddLearner(peer)).rejects.toMatchObject({ code: 'peer-url-exists' });
      await expect(etcd.memberAddLearner('https://127.0.0.1:2')).rejects.toMatchObject({ code: 'too-many-learners' });
      await expect(etcd.memberRemove('abc')).rejects.toMatchObject({ code: 'member-not-found' });
      await expect(etcd.memberRemove('not hexadecimal')).rejects.toMatchObject({ code: 'invalid-member-id' });

      const second = await cluster.startMember(host, [first.host, host], 'existing', false);
      await untilRefusedBy(second);
      const throughLearner = connect([second.clientUrl, first.clientUrl]);
      expect((await throughLearner.memberList()).members).toHaveLength(2);
      throughLearner.close();
      await promote(id);
      const leader = await etcd.status(first.clientUrl);
      expect(leader.leaderId).toBe(leader.memberId);
      await expect(etcd.memberPromote(id)).rejects.toMatchObject({ code: 'member-not-learner' });

      // Until it has heard of its promotion itself, raft drops a transfer to it without a word.
      const promoted = await waitUntil(systemClock, { timeoutMs: 15_000, intervalMs: 20 }, async () =>
        (await etcd.status(second.clientUrl)).isLearner ? undefined : true,
      );
      expect(promoted.seen).toBe(true);
      await etcd.moveLeader(first.clientUrl, id);
      expect((await etcd.status(second.clientUrl)).leaderId).toBe(id);
      expect(await failureOf(etcd.moveLeader(first.clientUrl, id))).toMatchObject({ code: 'not-leader' });
      await etcd.moveLeader(second.clientUrl, leader.memberId);

      // Without its second voter the cluster has no quorum: nothing can be read or changed for sure.
      await second.kill('SIGKILL');
      expect(await failureOf(etcd.memberAddLearner('https://127.0.0.1:2'))).toMatchObject({
        code: 'unhealthy-cluster',
      });
      const impatient = connect([first.clientUrl], 500);
      expect(['etcd-timeout', 'etcd-no-leader']).toContain((await failureOf(impatient.memberList())).code);
      expect((await impatient.status(first.clientUrl)).memberId).toBe(leader.memberId);
      impatient.close();
    });

    /** A learner that serves refuses to list members, and the next endpoint has to be asked. */
    async function untilRefusedBy(learner: TestMember): Promise<void> {
      const client = connect([learner.clientUrl]);
      const refused = await waitUntil(systemClock, { timeoutMs: 15_000, intervalMs: 50 }, async () =>
        (await failureOf(client.memberList())).code === 'learner-cannot-serve' ? true : undefined,
      );
      client.close();
      expect(refused.seen).toBe(true);
    }

    async function promote(id: string): Promise<void> {
      const promoted = await waitUntil(systemClock, { timeoutMs: 15_000, intervalMs: 50 }, async () => {
        try {
          await etcd.memberPromote(id);
          return true;
        } catch (error) {
          if (error instanceof QuorateError && ['waiting', 'transient'].includes(error.kind)) return undefined;
          throw error;
        }
      });
      expect(promoted.seen).toBe(true);
    }
  });
});

async function failureOf(promise: Promise<unknown>): Promise<QuorateError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
  return expect.unreachable('it should have failed');
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

function compactRevisionIn(json: string): number {
  const match = /"compact_revision":(-?\d+)/.exec(json);
  return match === null ? 0 : Number(match[1]);
}
