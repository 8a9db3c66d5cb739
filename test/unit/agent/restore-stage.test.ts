import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectAgent } from '../../../src/agent/client.ts';
import type { AgentCommands, RestoreFacts } from '../../../src/agent/wire.ts';
import { describeError } from '../../../src/base/errors.ts';
import { requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';
import { closeHost, connect, type Fleet, makeFleet, singleMember, startHost, type TestHost, waitFor } from './fleet.ts';
import { send } from './raw-request.ts';
import {
  archiveOf,
  inChunks,
  prepareFor,
  restoreFolder,
  settled,
  sha256Of,
  type TestArchive,
} from './restore-fixture.ts';

const cluster = 'orders';
const run = promisify(execFile);

let fleet: Fleet;
let host: TestHost;
let commands: AgentCommands;
let small: TestArchive;
/** More than all buffers on the way hold. */
let large: TestArchive;

beforeAll(async () => {
  small = await archiveOf(snapshotOf(64 * 1024));
  large = { ...(await archiveOf(snapshotOf(48 * 1024 * 1024))), backup: '2026-11-20T16:00:00Z-000000' };
});

afterAll(() => {
  large = small;
});

beforeEach(async () => {
  fleet = await makeFleet();
  host = await startHost(fleet, 'a');
  commands = host.client.commands(cluster, { epoch: 5, runId: 'run-5' });
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

/** What etcd gives: whole pages, then their SHA-256. */
function snapshotOf(dbBytes: number): Buffer {
  const db = randomBytes(dbBytes);
  return Buffer.concat([db, createHash('sha256').update(db).digest()]);
}

async function restoreFacts(): Promise<RestoreFacts | undefined> {
  return (await host.client.facts(cluster)).clusters[cluster]?.restore;
}

/** None before the first upload has begun. */
function filesLeft(): Promise<readonly string[]> {
  return readdir(restoreFolder(host.dataDir, cluster)).catch(() => []);
}

/** Gives a part and then nothing until it is released. */
function halting(bytes: Uint8Array): { readonly source: AsyncGenerator<Uint8Array>; readonly release: () => void } {
  let release = (): void => undefined;
  const halted = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* inChunks(bytes.subarray(0, bytes.byteLength / 2));
    await halted;
    yield* inChunks(bytes.subarray(bytes.byteLength / 2));
  }
  return { source: source(), release };
}

async function untilUploading(): Promise<void> {
  await waitFor('an upload under way', async () => {
    const names = await filesLeft();
    return names.some((name) => name.includes('.partial-'));
  });
}

describe('a snapshot that is staged', () => {
  it('is told, is not read a second time, and gives way to another', async () => {
    await commands.stageSnapshot(large, inChunks(large.archive));
    expect(await restoreFacts()).toEqual({
      staged: { backup: large.backup, dbSizeBytes: 48 * 1024 * 1024 },
      prepared: null,
    });
    let readBytes = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of inChunks(large.archive)) {
        readBytes += chunk.byteLength;
        yield chunk;
      }
    }
    await commands.stageSnapshot(large, counted());
    expect(readBytes).toBeLessThan(large.archive.byteLength);

    await commands.stageSnapshot({ backup: small.backup, sha256: null }, inChunks(small.archive));
    expect((await restoreFacts())?.staged).toEqual({ backup: small.backup, dbSizeBytes: small.dbSizeBytes });
    expect((await filesLeft()).toSorted()).toEqual(['snapshot.db', 'staged.json']);
  });

  it.each([
    ['has an altered byte', (archive: Buffer) => flipped(archive, archive.byteLength / 2), 'backup-altered'],
    ['was cut short', (archive: Buffer) => archive.subarray(0, archive.byteLength - 100), 'backup-altered'],
    ['is empty', () => Buffer.alloc(0), 'backup-altered'],
    ['is no gzip', () => randomBytes(1000), 'backup-altered'],
    ['has something behind it', (archive: Buffer) => Buffer.concat([archive, Buffer.alloc(8)]), 'backup-altered'],
  ])('is refused when the archive %s', async (_what, alter, code) => {
    const altered = alter(small.archive);
    for (const sha256 of [small.sha256, sha256Of(altered), null]) {
      await expect(commands.stageSnapshot({ backup: small.backup, sha256 }, inChunks(altered))).rejects.toMatchObject({
        code,
        kind: 'stalled',
      });
    }
    expect((await restoreFacts())?.staged).toBeNull();
    expect(await filesLeft()).toEqual([]);
  });

  it('is refused when it is whole but another one, or does not hold what its own hash says', async () => {
    const sha256 = sha256Of(Buffer.from('another'));
    const other = commands.stageSnapshot({ backup: small.backup, sha256 }, inChunks(small.archive));
    await expect(other).rejects.toMatchObject({ code: 'backup-altered' });
    const wrong = await archiveOf(flipped(snapshotOf(4096), 100));
    await expect(commands.stageSnapshot(wrong, inChunks(wrong.archive))).rejects.toMatchObject({
      code: 'snapshot-corrupt',
      kind: 'stalled',
    });
    const short = await archiveOf(snapshotOf(4096).subarray(0, 2000));
    await expect(commands.stageSnapshot(short, inChunks(short.archive))).rejects.toMatchObject({
      code: 'snapshot-corrupt',
    });
    expect(await filesLeft()).toEqual([]);
  });

  it('is refused with its reason while most of it is still to come', async () => {
    const bytes = randomBytes(large.archive.byteLength);
    const sending = commands.stageSnapshot({ backup: large.backup, sha256: null }, inChunks(bytes));
    await expect(sending).rejects.toMatchObject({ code: 'backup-altered' });
    expect((await host.client.facts()).host).toBe('a');
  });
});

describe('an upload', () => {
  it('that is cut off leaves nothing, and the next one is taken', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* inChunks(large.archive.subarray(0, 4 * 1024 * 1024));
      throw new Error('the store went away');
    }
    await expect(commands.stageSnapshot(large, failing())).rejects.toThrow('the store went away');
    await waitFor('the partial file to go', async () => (await filesLeft()).length === 0);
    expect((await restoreFacts())?.staged).toBeNull();
    await commands.stageSnapshot(large, inChunks(large.archive));
    expect((await restoreFacts())?.staged?.backup).toBe(large.backup);
  });

  it('keeps no command waiting, and ends when a newer run takes over', async () => {
    const { source, release } = halting(large.archive);
    const staging = settled(commands.stageSnapshot(large, source));
    await untilUploading();
    await commands.stop({ graceMs: 0 });
    await expect(commands.installRestored({ bootstrapId: 'x' })).rejects.toMatchObject({ code: 'busy' });
    await host.client.commands(cluster, { epoch: 6, runId: 'run-6' }).claim();
    expect(await staging).toMatchObject({ code: 'stale-epoch', kind: 'refused' });
    release();
    expect(await filesLeft()).toEqual([]);
    await expect(commands.stageSnapshot(small, inChunks(small.archive))).rejects.toMatchObject({
      code: 'stale-epoch',
    });
    const newer = host.client.commands(cluster, { epoch: 6, runId: 'run-6' });
    await newer.stageSnapshot(small, inChunks(small.archive));
    expect((await restoreFacts())?.staged?.backup).toBe(small.backup);
  });

  it('waits for the one before it', async () => {
    const { source, release } = halting(large.archive);
    const first = commands.stageSnapshot(large, source);
    await untilUploading();
    const second = commands.stageSnapshot(small, inChunks(small.archive));
    release();
    await Promise.all([first, second]);
    expect((await restoreFacts())?.staged?.backup).toBe(small.backup);
  });

  it('is given up when nothing moves', async () => {
    const identity = await fleet.identity({ kind: 'controller' });
    const timeouts = { uploadIdleMs: 300 };
    const client = connectAgent({ url: host.agent.url, expectedHost: 'a', identity: async () => identity, timeouts });
    const { source, release } = halting(large.archive);
    await expect(
      client.commands(cluster, { epoch: 5, runId: 'run-5' }).stageSnapshot(large, source),
    ).rejects.toMatchObject({ code: 'agent-unreachable', kind: 'transient', summary: 'no answer within 300 ms' });
    release();
    await client.close();
    await waitFor('the partial file to go', async () => (await filesLeft()).length === 0);
  });

  it('is for the controller alone, and has to say what it is', async () => {
    const operator = await connect(fleet, host.agent.url, 'a', { kind: 'operator' });
    const theirs = operator.commands(cluster, { epoch: 9, runId: 'mine' });
    await expect(theirs.stageSnapshot(small, inChunks(small.archive))).rejects.toMatchObject({ code: 'not-allowed' });
    await operator.close();

    const controller = await fleet.identity({ kind: 'controller' });
    const put = (headers: Record<string, string>): Promise<number> => {
      const usual = { 'content-type': 'application/gzip', 'quorate-host': 'a', 'quorate-backup': small.backup };
      const fence = { 'quorate-epoch': '5', 'quorate-run': 'r' };
      const options = { ...controller, method: 'PUT', headers: { ...usual, ...fence, ...headers } };
      return send(host.agent.url, `/v1/clusters/${cluster}/snapshot`, options, 'x').then((answer) => answer.status);
    };
    expect(await put({ 'quorate-host': '' })).toBe(421);
    expect(await put({ 'quorate-epoch': '' })).toBe(400);
    expect(await put({ 'quorate-backup': '../../etc' })).toBe(400);
    expect(await put({ 'quorate-archive-sha256': 'none' })).toBe(400);
    expect(await put({ 'content-type': 'application/json' })).toBe(415);
    expect(await restoreFacts()).toBeUndefined();
  });
});

it('removes a restore that was given up, and no younger one', async () => {
  await commands.stageSnapshot(small, inChunks(small.archive));
  const other = host.client.commands('billing', { epoch: 1, runId: 'r' });
  await other.stageSnapshot(small, inChunks(small.archive));
  await closeHost(host);
  const folder = restoreFolder(host.dataDir, cluster);
  const dayAgo = Date.now() / 1000 - 86_401;
  for (const name of ['snapshot.db', 'staged.json', '.']) await utimes(join(folder, name), dayAgo, dayAgo);
  host = await startHost(fleet, 'a', { tuning: { staleRestoresEveryMs: 50 } });
  await waitFor('the removal', async () => (await restoreFacts())?.staged === null);
  await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  expect((await host.client.facts()).clusters['billing']?.restore.staged?.backup).toBe(small.backup);
});

describe('a small disk', () => {
  it('is left with room for etcd, and the refusal says how much is missing', async (context) => {
    const reason = skipReason('v36');
    if (reason !== undefined) context.skip(reason);
    const folder = join(fleet.folder, 'tiny');
    await mkdir(folder);
    try {
      await run('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder]);
    } catch (error) {
      context.skip(`no file system can be mounted here: ${describeError(error)}`);
    }
    const tiny = await startHost(fleet, 'tiny', { binaries: await testBinaries() });
    try {
      const theirs = tiny.client.commands(cluster, { epoch: 1, runId: 'r' });
      await expect(theirs.stageSnapshot(large, inChunks(large.archive))).rejects.toMatchObject({
        code: 'disk-full',
        kind: 'stalled',
        summary: expect.stringMatching(/8 MiB more and 4 MiB are kept free .* has [0-9]+ MiB left/) as unknown,
      });
      expect(await readdir(restoreFolder(tiny.dataDir, cluster))).toEqual([]);
      await theirs.stageSnapshot(small, inChunks(small.archive));
      const start = await singleMember(requireRelease('v36'), 'tiny');
      await expect(theirs.prepareRestore(prepareFor(start, small))).rejects.toMatchObject({ code: 'disk-full' });
      // Still there for when room has been made.
      expect((await tiny.client.facts()).clusters[cluster]?.restore.staged?.backup).toBe(small.backup);
    } finally {
      await closeHost(tiny);
      await run('umount', [folder]);
    }
  });
});

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  const index = Math.floor(at);
  copy[index] = (copy[index] ?? 0) ^ 0x10;
  return copy;
}
