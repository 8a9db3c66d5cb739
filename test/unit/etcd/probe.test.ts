import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { createMemberProbe } from '../../../src/etcd/probe.ts';
import { type Minor, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { createTestCluster, createTestPki, type TestCluster, type TestMember } from './etcd-fixture.ts';
import { aNumber, containing, matching } from './matchers.ts';

const minors: readonly Minor[] = ['v34', 'v35', 'v36'];

describe.each(minors)('%s', (minor) => {
  describe.skipIf(skipReason(minor) !== undefined)('createMemberProbe', () => {
    let cluster: TestCluster;
    let member: TestMember;

    beforeAll(async () => {
      const binary = await (await testBinaries()).ensure(requireRelease(minor));
      cluster = await createTestCluster(binary, { 'quota-backend-bytes': '200000' });
      const host = await cluster.newHost('a');
      member = await cluster.startMember(host, [host], 'new');
    });
    afterAll(async () => {
      await cluster.close();
    });

    const health = async (url = member.clientUrl) =>
      await createMemberProbe(() => cluster.credentials, systemClock).health(url);

    it('finds a member healthy and gives the certificate that it presents', async () => {
      const result = await health();
      const leaf = new X509Certificate(await readFile(cluster.file('a.crt')));
      expect(result).toEqual({
        healthy: true,
        latencyMs: aNumber,
        presented: {
          fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
          serial: leaf.serialNumber.toLowerCase(),
          notAfterMs: Date.parse(leaf.validTo),
        },
      });
    });

    it('tells whose certificate is not accepted', async () => {
      const stranger = await createTestPki('two');
      const theirs = await stranger.leaf('quorate');
      const probe = createMemberProbe(() => ({ ...cluster.credentials, ca: stranger.ca }), systemClock);
      expect(await probe.health(member.clientUrl)).toMatchObject({
        healthy: false,
        reason: matching(/not trusted: .*(verify|self.signed|issuer)/i),
        presented: { fingerprint: matching(/^[0-9a-f]{64}$/) },
      });
      const refused = createMemberProbe(() => ({ ...theirs, ca: cluster.credentials.ca }), systemClock);
      expect(await refused.health(member.clientUrl)).toMatchObject({
        healthy: false,
        // One line for people, whether the member said why or just went away.
        reason: matching(
          /^the member did not accept our certificate, or went away: (TLS alert: [a-z ]+|[^\n]*hang up)$/,
        ),
      });
    });

    it('finds a hanging member unhealthy within its time', async () => {
      await member.kill('SIGSTOP');
      expect(await health()).toMatchObject({ healthy: false, reason: 'no answer within 1000 ms' });
      await member.kill('SIGCONT');
      expect(await health()).toMatchObject({ healthy: true });
    });

    it('finds a member with an alarm unhealthy', async () => {
      const etcd = connectEtcd({ endpoints: [member.clientUrl], credentials: cluster.credentials, clock: systemClock });
      const value = 'x'.repeat(100_000);
      await waitUntil(systemClock, { timeoutMs: 10_000, intervalMs: 1 }, async () =>
        cluster.etcdctl(member, 'put', 'key', value).then(
          () => undefined,
          () => true,
        ),
      );
      const { memberId } = await etcd.status(member.clientUrl);
      expect(await etcd.alarms()).toEqual([{ memberId, alarm: 'NOSPACE' }]);
      expect(await health()).toMatchObject({ healthy: false, reason: matching(/^unhealthy: /) });
      etcd.close();
    });

    it('says that nobody listens', async () => {
      await member.kill('SIGKILL');
      expect(await health()).toMatchObject({ healthy: false, reason: containing('ECONNREFUSED') });
    });
  });
});

describe('a server that is not etcd', () => {
  it.each([
    ['answers with something else', 200, '<html>', /GET \/health answered 200: <html>/],
    ['answers with too much', 200, 'x'.repeat(100_000), /longer than 65536 bytes/],
    ['gives a reason', 503, '{"health":"false","reason":"RAFT NO LEADER"}', /^unhealthy: RAFT NO LEADER$/],
    ['gives none', 503, '{"health":"false"}', /^unhealthy: the member sees no leader/],
  ])('%s', async (_what, status, body, reason) => {
    const pki = await createTestPki();
    const credentials = await pki.leaf('a');
    const server = createHttpsServer({ cert: credentials.certificate, key: credentials.key }, (_request, response) => {
      response.statusCode = status;
      response.end(body);
    });
    const url = await listen(server, 'https');
    const probe = createMemberProbe(() => Promise.resolve(credentials), systemClock);
    expect(await probe.health(url)).toMatchObject({ healthy: false, reason: matching(reason) });
    server.close();
  });

  it('speaks no TLS', async () => {
    const credentials = await (await createTestPki()).leaf('a');
    const server = createServer((socket) => socket.end('hello\n'));
    const url = await listen(server, 'https');
    const result = await createMemberProbe(() => credentials, systemClock).health(url);
    expect(result).toMatchObject({
      healthy: false,
      reason: matching(/wrong version|closed|packet|disconnected/i),
    });
    server.close();
  });
});

async function listen(server: Server, scheme: string): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return `${scheme}://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}
