import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentCommands, StartRequest } from '../../../src/agent/wire.ts';
import { describeError } from '../../../src/base/errors.ts';
import { canBumpRevision } from '../../../src/etcd/releases.ts';
import { type Minor, releases, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { closeHost, type Fleet, makeFleet, provision, singleMember, startHost, type TestHost } from './fleet.ts';
import { etcdctl, inChunks, makeArchive, prepareFor, type TestArchive, untilServes } from './restore-fixture.ts';

const cluster = 'orders';
const minors = Object.keys(releases) as readonly Minor[];

/** Of the snapshot, and of the tool and server that it is restored with. */
const ways = minors.flatMap((from, index) => minors.slice(index).map((to) => [from, to] as const));

let fleet: Fleet;
let host: TestHost;
let commands: AgentCommands;
const archives = new Map<Minor, Promise<TestArchive>>();

beforeEach(async () => {
  fleet = await makeFleet();
  host = await startHost(fleet, 'a', { binaries: await testBinaries() });
  commands = host.client.commands(cluster, { epoch: 1, runId: 'run' });
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

function archiveFrom(minor: Minor): Promise<TestArchive> {
  const made = archives.get(minor) ?? makeArchive(minor);
  archives.set(minor, made);
  return made;
}

async function stageAndStart(archive: TestArchive, start: StartRequest, bumpRevision: number): Promise<void> {
  await commands.stageSnapshot(archive, inChunks(archive.archive));
  const prepared = await commands.prepareRestore(prepareFor(start, archive, { bumpRevision }));
  const latched = await commands.installRestored({ bootstrapId: 'restored' });
  expect(latched).toMatchObject({ clusterId: prepared.clusterId, memberId: prepared.memberId });
  await provision(fleet, commands, cluster, 'a');
  await commands.start({ ...start, join: undefined });
  await untilServes(host.dataDir, cluster, start);
}

describe.each(ways)('a snapshot of %s restored with %s', (from, to) => {
  it('serves what was saved, keeps leases, and takes writes', async (context) => {
    const reason = skipReason(from) ?? skipReason(to);
    if (reason !== undefined) context.skip(reason);
    const archive = await archiveFrom(from);
    const start = await singleMember(requireRelease(to), 'a');
    const bump = canBumpRevision(start.version) ? 1_000_000 : 0;
    await stageAndStart(archive, start, bump);
    const ctl = (...args: string[]): Promise<string> => etcdctl(host.dataDir, cluster, start, ...args);

    expect(await ctl('get', '', '--prefix', '--keys-only', '--command-timeout=5s')).toMatch(
      /big\s+leased\s+stable\s+$/,
    );
    expect(await ctl('get', 'stable', '--print-value-only')).toBe('second\n');
    expect(await ctl('lease', 'timetolive', archive.leaseId, '--keys')).toContain('leased');
    const put = JSON.parse(await ctl('put', 'new', 'after', '-w', 'json')) as { header: { revision: number } };
    expect(put.header.revision).toBeGreaterThan(archive.revision + bump);
    expect(await ctl('get', 'new', '--print-value-only')).toBe('after\n');

    const old = await ctl('get', 'stable', `--rev=${archive.revision - 1}`, '--print-value-only').catch(describeError);
    expect(old).toMatch(bump === 0 ? /^first\n$/ : /compacted/);

    const facts = (await host.client.facts(cluster)).clusters[cluster];
    expect(facts?.latched).toMatchObject({ bootstrapId: 'restored', clusterId: facts?.data.clusterId });
    expect(facts?.restore).toEqual({ staged: null, prepared: null });
  });
});

it('does not raise revisions with a tool that cannot', async (context) => {
  const reason = skipReason('v34');
  if (reason !== undefined) context.skip(reason);
  const archive = await archiveFrom('v34');
  const start = await singleMember(requireRelease('v34'), 'a');
  expect(canBumpRevision(start.version)).toBe(false);
  await commands.stageSnapshot(archive, inChunks(archive.archive));
  await expect(commands.prepareRestore(prepareFor(start, archive, { bumpRevision: 5 }))).rejects.toMatchObject({
    code: 'revision-bump-unsupported',
    kind: 'invalid',
  });
});
