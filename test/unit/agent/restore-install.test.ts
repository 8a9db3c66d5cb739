import { readdir, rm } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveFolder } from '../../../src/agent/archives.ts';
import { Latch } from '../../../src/agent/latch.ts';
import { archivesFolder, memberPaths } from '../../../src/agent/paths.ts';
import { restorePaths } from '../../../src/agent/restore/folder.ts';
import { type InstallParts, installRestored } from '../../../src/agent/restore/install.ts';
import type { AgentCommands, MemberFacts, StartRequest } from '../../../src/agent/wire.ts';
import { requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { type AgentChild, spawnAgent } from './agent-child.ts';
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
import {
  etcdctl,
  inChunks,
  makeArchive,
  prepareFor,
  restoreFolder,
  settled,
  type TestArchive,
  untilServes,
} from './restore-fixture.ts';

const cluster = 'orders';
const reason = skipReason('v36');

let fleet: Fleet;
let host: TestHost;
let commands: AgentCommands;
let start: StartRequest;
let archive: TestArchive;

beforeAll(async () => {
  if (reason === undefined) archive = await makeArchive('v36');
});

beforeEach(async (context) => {
  if (reason !== undefined) context.skip(reason);
  fleet = await makeFleet();
  start = await singleMember(requireRelease('v36'), 'a');
  await open();
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

async function open(): Promise<void> {
  host = await startHost(fleet, 'a', { binaries: await testBinaries() });
  commands = host.client.commands(cluster, { epoch: 1, runId: 'run' });
}

async function facts(): Promise<MemberFacts> {
  const found = (await host.client.facts(cluster)).clusters[cluster];
  if (found === undefined) throw new Error('the agent does not know the cluster');
  return found;
}

function stage(): Promise<void> {
  return commands.stageSnapshot(archive, inChunks(archive.archive));
}

const ctl = (...args: string[]): Promise<string> => etcdctl(host.dataDir, cluster, start, ...args);

async function startMember(): Promise<MemberFacts> {
  await provision(fleet, commands, cluster, 'a');
  await commands.start(start);
  await untilServes(host.dataDir, cluster, start);
  return waitForFacts(host.client, cluster, (seen) => seen.latched !== null);
}

describe('a restore over a member', () => {
  it('is made ready while that one serves, and then takes its place', async () => {
    const before = await startMember();
    await stage();
    const request = prepareFor(start, archive, { bumpRevision: 1000 });
    const prepared = await commands.prepareRestore(request);
    expect(prepared.clusterId).not.toBe(before.data.clusterId);
    expect((await facts()).restore).toEqual({ staged: null, prepared });
    expect((await readdir(restoreFolder(host.dataDir, cluster))).toSorted()).toEqual(['prepared', 'prepared.json']);
    expect(await commands.prepareRestore(request)).toEqual(prepared);

    await ctl('put', 'meanwhile', 'served');
    expect((await facts()).process).toEqual(before.process);
    const { bootstrapId } = request;
    await expect(commands.installRestored({ bootstrapId })).rejects.toMatchObject({ code: 'still-running' });
    await commands.stop({ graceMs: 0 });
    await expect(commands.installRestored({ bootstrapId: 'other' })).rejects.toMatchObject({ code: 'not-prepared' });
    expect((await facts()).data.clusterId).toBe(before.data.clusterId);

    const latched = await commands.installRestored({ bootstrapId });
    expect(latched).toMatchObject({ bootstrapId, clusterId: prepared.clusterId, memberId: prepared.memberId });
    const after = await facts();
    expect(after).toMatchObject({
      data: { state: 'present', clusterId: prepared.clusterId, archives: [expect.stringMatching(/-restored$/)] },
      latched,
      restore: { staged: null, prepared: null },
      process: { state: 'absent' },
    });
    expect(await commands.installRestored({ bootstrapId })).toEqual(latched);

    await commands.start({ ...start, join: undefined });
    await untilServes(host.dataDir, cluster, start);
    expect(await ctl('get', '', '--prefix', '--keys-only')).toMatch(/^big\s+leased\s+stable\s+$/);
    // Asked for once more while it runs, by a controller that has forgotten: nothing to do.
    expect(await commands.installRestored({ bootstrapId })).toEqual(latched);
    expect((await facts()).data.archives).toHaveLength(1);
  });

  it('needs its parts in their order', async () => {
    const request = prepareFor(start, archive);
    await expect(commands.prepareRestore(request)).rejects.toMatchObject({ code: 'not-staged', kind: 'refused' });
    const installing = commands.installRestored({ bootstrapId: 'restored' });
    await expect(installing).rejects.toMatchObject({ code: 'not-prepared', kind: 'refused' });
    await stage();
    await expect(commands.prepareRestore({ ...request, backup: 'another' })).rejects.toMatchObject({
      code: 'not-staged',
    });
    // Nonsense that only the tool can know: its own words are in the error. Nobody trusts the snapshot after that.
    const wrong = { ...request, initialCluster: 'b=https://127.0.0.1:1' };
    await expect(commands.prepareRestore(wrong)).rejects.toMatchObject({
      code: 'restore-failed',
      kind: 'stalled',
      summary: expect.stringContaining('initial cluster') as unknown,
    });
    expect((await facts()).restore).toEqual({ staged: null, prepared: null });
    await stage();
    const first = await commands.prepareRestore(request);

    // Another request takes the place of the first.
    await stage();
    const second = await commands.prepareRestore({ ...request, bootstrapId: 'again', token: 'another' });
    expect(second.clusterId).not.toBe(first.clusterId);
    await expect(commands.installRestored({ bootstrapId: 'restored' })).rejects.toMatchObject({ code: 'not-prepared' });
    expect(await commands.installRestored({ bootstrapId: 'again' })).toMatchObject({ clusterId: second.clusterId });
  });
});

describe('an agent that dies while it installs', () => {
  const died = new Error('died here');
  const dies = async (): Promise<never> => {
    throw died;
  };
  /** What is the last thing that is done. */
  const ends: readonly (readonly [string, (parts: InstallParts) => Partial<InstallParts>])[] = [
    ['before the data dir is put aside', () => ({ archive: dies })],
    ['after it was put aside', ({ archive: done }) => ({ archive: () => done().then(dies) })],
    ['before the new one is remembered', () => ({ latch: dies })],
    ['after it was remembered', ({ latch: done }) => ({ latch: (...args) => done(...args).then(dies) })],
  ];

  it.each(ends)('%s, goes on where it was', async (_where, change) => {
    const before = await startMember();
    await commands.stop({ graceMs: 0 });
    await stage();
    const prepared = await commands.prepareRestore(prepareFor(start, archive));
    await closeHost(host);
    await dieInstalling(host.dataDir, change);

    await open();
    const between = await facts();
    expect(between.restore.prepared).toEqual(prepared);
    expect(between.process.state).toBe('stopped');
    // Asked for again, the same is there: nothing is made twice.
    expect(await commands.prepareRestore(prepareFor(start, archive))).toEqual(prepared);
    const latched = await commands.installRestored({ bootstrapId: 'restored' });
    expect(latched).toMatchObject({ bootstrapId: 'restored', clusterId: prepared.clusterId });
    const after = await facts();
    expect(after.data.clusterId).toBe(prepared.clusterId);
    expect(after.data.archives).toHaveLength(1);
    expect(after.restore).toEqual({ staged: null, prepared: null });
    expect(before.data.clusterId).not.toBe(prepared.clusterId);
    await commands.start({ ...start, join: undefined });
    await untilServes(host.dataDir, cluster, start);
    expect((await facts()).latched).toEqual(latched);
  });

  /** The real steps on the real folders, without an agent around them. */
  async function dieInstalling(dataDir: string, change: (parts: InstallParts) => Partial<InstallParts>): Promise<void> {
    const paths = memberPaths(dataDir, cluster);
    const latch = await Latch.load(paths.latchFile);
    const parts: InstallParts = {
      paths: restorePaths(paths.restore),
      dataPath: paths.data,
      latched: () => latch.identity,
      requireStopped: async () => undefined,
      archive: () => archiveFolder(paths.data, archivesFolder(dataDir), cluster, 'restored', Date.now()),
      latch: (identity, id) => latch.record(identity, id, Date.now()),
    };
    await expect(installRestored('restored', { ...parts, ...change(parts) })).rejects.toBe(died);
  }
});

describe('a data dir that was lost', () => {
  it('is brought back onto a host that remembers the former member', async () => {
    await startMember();
    await commands.stop({ graceMs: 0 });
    await rm(memberPaths(host.dataDir, cluster).data, { recursive: true });
    await stage();
    await commands.prepareRestore(prepareFor(start, archive));
    const latched = await commands.installRestored({ bootstrapId: 'restored' });
    expect(await facts()).toMatchObject({ latched, data: { clusterId: latched.clusterId, archives: [] } });
    await commands.start({ ...start, join: undefined });
    await untilServes(host.dataDir, cluster, start);
  });
});

describe('an agent that is killed', () => {
  it('in the middle of staging and of preparing leaves nothing that counts', async () => {
    await closeHost(host);
    const restore = restoreFolder(host.dataDir, cluster);
    const hasPartial = async (kind: string): Promise<boolean> =>
      (await readdir(restore).catch((): string[] => [])).some((name) => name.startsWith(`${kind}.partial-`));
    let child: AgentChild = await spawnAgent(fleet);
    try {
      const theirs = (): AgentCommands => child.client.commands(cluster, { epoch: 1, runId: 'run' });
      const restoreFacts = async () => (await child.client.facts(cluster)).clusters[cluster]?.restore;

      let release = (): void => undefined;
      const halted = new Promise<void>((resolve) => {
        release = resolve;
      });
      async function* halting(): AsyncGenerator<Uint8Array> {
        yield archive.archive.subarray(0, 1000);
        await halted;
      }
      const staging = settled(theirs().stageSnapshot(archive, halting()));
      await waitFor('staging', () => hasPartial('snapshot.db'));
      await child.kill();
      release();
      expect(await staging).toMatchObject({ code: 'agent-unreachable' });
      child = await spawnAgent(fleet);
      expect(await restoreFacts()).toEqual({ staged: null, prepared: null });
      await theirs().stageSnapshot(archive, inChunks(archive.archive));
      expect(await hasPartial('snapshot.db')).toBe(false);

      const preparing = theirs()
        .prepareRestore(prepareFor(start, archive))
        .then(
          () => 'done',
          () => 'cut',
        );
      await waitFor(
        'preparing',
        async () => (await hasPartial('prepared')) || (await restoreFacts())?.prepared !== null,
      );
      await child.kill();
      await preparing;
      child = await spawnAgent(fleet);
      const found = await restoreFacts();
      expect(found?.staged?.backup ?? found?.prepared?.backup).toBe(archive.backup);
      const prepared = await theirs().prepareRestore(prepareFor(start, archive));
      expect(await restoreFacts()).toEqual({ staged: null, prepared });
      expect(await theirs().installRestored({ bootstrapId: 'restored' })).toMatchObject({
        clusterId: prepared.clusterId,
      });
    } finally {
      await child.kill();
      await open();
    }
  });
});
