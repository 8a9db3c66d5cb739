import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memberPaths } from '../../../src/agent/paths.ts';
import type { AgentCommands, StartRequest } from '../../../src/agent/wire.ts';
import { type Minor, releases, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import {
  closeHost,
  type Fleet,
  makeFleet,
  provision,
  singleMember,
  startHost,
  type TestHost,
  waitFor,
  waitForFacts,
} from './fleet.ts';

const cluster = 'orders';
const fence = { epoch: 1, runId: 'run-1' };
const quickBackoff = { firstMs: 50, maxMs: 200, resetAfterMs: 60_000 };

let fleet: Fleet;
let host: TestHost;
let commands: AgentCommands;

beforeEach(async () => {
  fleet = await makeFleet();
  host = await startHost(fleet, 'a', { binaries: await testBinaries(), tuning: { backoff: quickBackoff } });
  commands = host.client.commands(cluster, fence);
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

async function startMember(minor: Minor): Promise<StartRequest> {
  await provision(fleet, commands, cluster, 'a');
  const request = await singleMember(requireRelease(minor), 'a');
  await commands.start(request);
  await waitForFacts(host.client, cluster, (facts) => facts.latched !== null);
  return request;
}

describe.each(Object.keys(releases) as Minor[])('a member on %s', (minor) => {
  it('starts, is started twice as once, tells its identity, and stops', async (context) => {
    const reason = skipReason(minor);
    if (reason !== undefined) context.skip(reason);
    const request = await startMember(minor);
    const first = await waitForFacts(host.client, cluster, (facts) => facts.process.state === 'running');
    expect(first.data).toMatchObject({ state: 'present', archives: [] });
    expect(first.data.clusterId).toMatch(/^[0-9a-f]{1,16}$/);
    expect(first.data.memberId).toMatch(/^[0-9a-f]{1,16}$/);
    expect(first.latched).toMatchObject({
      clusterId: first.data.clusterId,
      memberId: first.data.memberId,
      bootstrapId: 'first',
    });
    expect(first.certificates.peer?.trustLoaded).toEqual(first.certificates.peer?.trust);

    const again = await commands.start({ ...request, join: undefined });
    expect(again.pid).toBe(first.process.pid);
    await expect(
      commands.start({ ...request, flags: { ...request.flags, 'heartbeat-interval': '50' } }),
    ).rejects.toMatchObject({
      code: 'already-running',
      kind: 'refused',
    });
    await expect(commands.archiveData({ reason: 'too early' })).rejects.toMatchObject({ code: 'still-running' });

    const stopped = await commands.stop({ graceMs: 0 });
    expect(stopped.state).toBe('stopped');
    expect((await commands.stop({ graceMs: 0 })).state).toBe('stopped');
    const exit = await waitForFacts(host.client, cluster, (facts) => facts.process.lastExit !== undefined);
    expect(exit.process.lastExit?.logTail.length).toBeGreaterThan(0);
    expect(exit.certificates.peer?.trustLoaded).toEqual([]);

    const restarted = await commands.start({ ...request, join: undefined });
    expect(restarted.state).toBe('running');
    const after = await waitForFacts(host.client, cluster, (facts) => facts.process.pid === restarted.pid);
    expect(after.latched).toEqual(first.latched);
  });
});

describe('a member', () => {
  it('is restarted after a crash', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    await startMember('v36');
    const before = await waitForFacts(host.client, cluster, (facts) => facts.process.state === 'running');
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    const after = await waitForFacts(
      host.client,
      cluster,
      (facts) =>
        facts.process.state === 'running' && facts.process.restarts === 1 && facts.process.lastExit !== undefined,
    );
    expect(after.process.pid).not.toBe(before.process.pid);
    expect(after.process.lastExit).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(after.data.memberId).toBe(before.data.memberId);
  });

  it('whose disk was wiped is not started again by itself, nor as a new cluster', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const request = await startMember('v36');
    const before = await waitForFacts(host.client, cluster, (facts) => facts.process.state === 'running');
    await rm(memberPaths(host.dataDir, cluster).data, { recursive: true });
    process.kill(before.process.pid ?? 0, 'SIGKILL');
    const after = await waitForFacts(host.client, cluster, (facts) => facts.process.state === 'stopped');
    expect(after.data.state).toBe('empty');
    expect(after.latched).toEqual(before.latched);
    expect(await readdir(memberPaths(host.dataDir, cluster).root)).not.toContain('data');

    await expect(commands.start({ ...request, join: undefined })).rejects.toMatchObject({ code: 'no-data' });
    await expect(commands.start(request)).rejects.toMatchObject({ code: 'identity-latched', kind: 'refused' });
    const initialCluster = request.join?.initialCluster ?? '';
    const anotherOne = { state: 'new', initialCluster, token: 'another', bootstrapId: 'second' } as const;
    await expect(commands.start({ ...request, join: { ...anotherOne, discardData: 'dead' } })).rejects.toMatchObject({
      code: 'identity-latched',
    });
    await commands.start({ ...request, join: { ...anotherOne, discardData: before.latched?.clusterId } });
    const anew = await waitForFacts(host.client, cluster, (facts) => facts.latched?.bootstrapId === 'second');
    expect(anew.latched?.clusterId).not.toBe(before.latched?.clusterId);
  });

  it('keeps its data when it is archived, and its folders to itself', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    await startMember('v36');
    const paths = memberPaths(host.dataDir, cluster);
    for (const folder of [paths.root, paths.data, paths.tls, paths.logs])
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const files = [paths.logFile, paths.memberFile, paths.pidFile, paths.latchFile, paths.fenceFile];
    for (const file of [...files, join(paths.tls, 'peer.pem'), join(paths.tls, 'client.pem')])
      expect((await stat(file)).mode & 0o777).toBe(0o600);

    await commands.stop({ graceMs: 0 });
    const archive = await commands.archiveData({ reason: 'Moved to host b' });
    expect(archive).toMatch(/^orders-data-\d{8}T\d{6}Z-moved-to-host-b$/);
    expect(await readdir(join(host.dataDir, 'archives', archive ?? '', 'member'))).toContain('wal');
    expect(await commands.archiveData({ reason: 'again' })).toBeNull();
    const facts = (await host.client.facts()).clusters[cluster];
    expect(facts?.data).toEqual({ state: 'empty', archives: [archive] });
    expect(facts?.latched).not.toBeNull();
  });

  it('that ends before it has any data can be started anew', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    await provision(fleet, commands, cluster, 'a');
    const request = await singleMember(requireRelease('v36'), 'a');
    await commands.start({ ...request, flags: { ...request.flags, 'heartbeat-interval': 'nonsense' } });
    const failed = await waitForFacts(
      host.client,
      cluster,
      (facts) => facts.process.lastExit !== undefined && facts.process.state === 'stopped',
    );
    expect(failed.process.lastExit?.logTail.join('\n')).toContain('heartbeat-interval');
    expect(failed.data.state).toBe('empty');
    expect(failed.latched).toBeNull();

    // Nobody answers there, so etcd gives up after it has made its database and before its write-ahead log.
    const elsewhere = (await singleMember(request.version, 'b')).join?.initialCluster ?? '';
    const initialCluster = `${request.join?.initialCluster ?? ''},${elsewhere}`;
    await commands.start({ ...request, join: { state: 'existing', initialCluster, token: 'x' } });
    const lost = await waitForFacts(
      host.client,
      cluster,
      (facts) => facts.process.lastExit?.atMs !== failed.process.lastExit?.atMs && facts.process.state === 'stopped',
    );
    expect(await readdir(join(memberPaths(host.dataDir, cluster).data, 'member'))).toEqual(['snap']);
    expect(lost.data.state).toBe('empty');

    await commands.start(request);
    const running = await waitForFacts(host.client, cluster, (facts) => facts.latched !== null);
    expect(running.data.archives).toEqual([expect.stringContaining('unfinished-start')]);
  });

  it('takes a renewed certificate without a restart, and refuses one that does not fit', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    await startMember('v36');
    const before = await waitForFacts(host.client, cluster, (facts) => facts.process.state === 'running');
    const other = await fleet.keystore.ensureAuthority(cluster, 'other', 31_536_000_000);
    const csr = await commands.createCsr({ domain: 'client', keyType: 'ed25519' });
    const foreign = await fleet.keystore.issueLeaf(cluster, other.name, {
      csr,
      commonName: 'a',
      sans: ['a'],
      validityMs: 1e9,
    });
    await expect(commands.installCertificate({ domain: 'client', certificate: foreign })).rejects.toMatchObject({
      code: 'certificate-not-trusted',
    });
    const good = await fleet.keystore.issueLeaf(cluster, 'client-1', {
      csr,
      commonName: 'a',
      sans: ['a'],
      validityMs: 1e9,
    });
    const installed = await commands.installCertificate({ domain: 'client', certificate: good });
    expect(await commands.installCertificate({ domain: 'client', certificate: good })).toEqual(installed);
    const after = (await host.client.facts()).clusters[cluster];
    expect(after?.certificates.client).toMatchObject({ fingerprint: installed.fingerprint, keyType: 'ed25519' });
    expect(after?.process.pid).toBe(before.process.pid);
    expect(await readdir(memberPaths(host.dataDir, cluster).tls)).toEqual(
      expect.arrayContaining(['client.pem', 'client.pem.previous']),
    );
  });

  it('goes on while its log is rotated under it', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    await closeHost(host);
    const tuning = { rotation: { maxBytes: 2000, keep: 2 }, rotateEveryMs: 20 };
    host = await startHost(fleet, 'a', { binaries: await testBinaries(), tuning });
    commands = host.client.commands(cluster, fence);
    await startMember('v36');
    const { logs, logFile } = memberPaths(host.dataDir, cluster);
    await waitFor('a rotated log', async () => (await readdir(logs)).includes('etcd.log.1'));
    for (const name of await readdir(logs)) expect((await stat(join(logs, name))).mode & 0o777).toBe(0o600);
    expect((await host.client.logs(cluster, 3)).every((line) => line.startsWith('{'))).toBe(true);
    expect((await host.client.facts()).clusters[cluster]?.process).toMatchObject({ state: 'running', restarts: 0 });
    expect((await stat(logFile)).size).toBeLessThan(200_000);
  });

  it('is refused without certificates rather than left to die', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const request = await singleMember(requireRelease('v36'), 'a');
    await expect(commands.start(request)).rejects.toMatchObject({ code: 'certificate-missing', kind: 'refused' });
    expect((await host.client.facts()).clusters[cluster]?.process).toEqual({ state: 'absent', restarts: 0 });
  });
});
