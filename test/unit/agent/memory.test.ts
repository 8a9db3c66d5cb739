import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Backoff, crashBackoff } from '../../../src/agent/backoff.ts';
import { createDiskProbe } from '../../../src/agent/disk.ts';
import { EpochFence } from '../../../src/agent/fence.ts';
import { Latch } from '../../../src/agent/latch.ts';
import { createMutex } from '../../../src/agent/mutex.ts';
import { isClusterName } from '../../../src/agent/paths.ts';
import { alternativeUris, mayDo, roleOf } from '../../../src/agent/roles.ts';
import { systemClock } from '../../../src/base/clock.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-memory-'));
  path = join(folder, 'file.json');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the fence', () => {
  it('only ever rises, and what it has seen is on disk before the command runs', async () => {
    const fence = await EpochFence.load(path, 'orders');
    expect(fence.epoch).toBe(0);
    await fence.admit({ epoch: 3, runId: 'r3' });
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ epoch: 3, runId: 'r3' });
    await fence.admit({ epoch: 3, runId: 'another of the same epoch' });
    const again = await EpochFence.load(path, 'orders');
    await expect(again.admit({ epoch: 2, runId: 'r2' })).rejects.toMatchObject({
      code: 'stale-epoch',
      kind: 'refused',
    });
    expect(again.epoch).toBe(3);
  });

  it('lets nothing in that it could not remember', async () => {
    const fence = await EpochFence.load(join(folder, 'missing', 'fence.json'), 'orders');
    await expect(fence.admit({ epoch: 1, runId: 'r' })).rejects.toMatchObject({
      code: 'storage-failed',
      kind: 'transient',
    });
    expect(fence.epoch).toBe(0);
  });

  it.each(['', '{', '[]', '{"epoch":-1,"runId":""}', '{"epoch":1}'])(
    'does not take %j for an empty memory',
    async (text) => {
      await writeFile(path, text);
      await expect(EpochFence.load(path, 'orders')).rejects.toMatchObject({
        code: 'state-unreadable',
        kind: 'stalled',
      });
    },
  );
});

describe('the latch', () => {
  it('follows the member, and keeps the bootstrap of its cluster', async () => {
    const latch = await Latch.load(path);
    await latch.record({ clusterId: 'c', memberId: '1' }, 'first', 10);
    await latch.record({ clusterId: 'c', memberId: '1' }, undefined, 20);
    expect(latch.identity).toEqual({ clusterId: 'c', memberId: '1', bootstrapId: 'first', atMs: 10 });
    await latch.record({ clusterId: 'c', memberId: '2' }, undefined, 30);
    expect((await Latch.load(path)).identity).toEqual({
      clusterId: 'c',
      memberId: '2',
      bootstrapId: 'first',
      atMs: 30,
    });
    await latch.record({ clusterId: 'd', memberId: '2' }, undefined, 40);
    expect(latch.identity).toEqual({ clusterId: 'd', memberId: '2', atMs: 40 });
  });
});

describe('a mutex', () => {
  it('runs one at a time in order, goes on after a failure, and has an end', async () => {
    const exclusive = createMutex('work', 2);
    const seen: string[] = [];
    const work = (name: string, fails = false) =>
      exclusive(async () => {
        seen.push(`${name} starts`);
        await systemClock.sleep(1);
        seen.push(`${name} ends`);
        if (fails) throw new Error(name);
      });
    const results = await Promise.allSettled([work('a', true), work('b'), work('c'), work('d')]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'rejected']);
    expect(results[3]).toMatchObject({ reason: { code: 'busy', kind: 'transient' } });
    expect(seen).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
    await work('e');
    expect(seen.at(-1)).toBe('e ends');
  });
});

describe('back-off', () => {
  it('doubles to a minute, and starts over after a minute of uptime', () => {
    const backoff = new Backoff(crashBackoff);
    const delays = Array.from({ length: 8 }, () => backoff.next(10));
    expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(backoff.next(60_000)).toBe(1000);
  });
});

describe('roles', () => {
  it.each([
    ['URI:quorate://controller', 'controller'],
    ['DNS:a, URI:quorate://operator, IP Address:127.0.0.1', 'operator'],
    ['URI:quorate://operator, URI:quorate://controller', 'controller'],
    ['URI:quorate://agent/a, DNS:a', undefined],
    ['URI:quorate://controllers', undefined],
    ['DNS:quorate://controller', undefined],
    ['DNS:"a, URI:quorate://controller, DNS:b"', undefined],
    ['DNS:"a\\", URI:quorate://controller', undefined],
    ['', undefined],
  ])('%s', (text, role) => {
    expect(roleOf(text)).toBe(role);
  });

  it('are read whole or not at all', () => {
    expect(alternativeUris('URI:a://b, URI:"c, d", URI:e://f')).toEqual(['a://b', 'e://f']);
    expect(alternativeUris('URI:quorate://controller, "')).toEqual([]);
    expect(roleOf(undefined)).toBeUndefined();
  });

  it('say who may do what', () => {
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'];
    expect(methods.filter((method) => mayDo('controller', method))).toEqual(['GET', 'HEAD', 'POST', 'PUT']);
    expect(methods.filter((method) => mayDo('operator', method))).toEqual(['GET', 'HEAD']);
    expect(methods.filter((method) => mayDo(undefined, method))).toEqual([]);
  });
});

describe('names that become folders', () => {
  it.each(['', '.', '..', 'a/b', 'A', '-a', 'a-', 'a.b', 'a\0', 'a\n', `a${'b'.repeat(63)}`])('refuses %j', (name) => {
    expect(isClusterName(name)).toBe(false);
  });

  it('takes ordinary ones', () => {
    expect(['a', 'orders', 'orders-2', '0'].every(isClusterName)).toBe(true);
  });
});

describe('the disk', () => {
  it('is measured, and says so when it cannot be', async () => {
    const disk = await createDiskProbe(folder, systemClock)();
    expect(disk.freeBytes).toBeGreaterThan(0);
    expect(disk.totalBytes).toBeGreaterThanOrEqual(disk.freeBytes);
    expect(disk.fsyncMs).toBeGreaterThanOrEqual(0);
    await rm(join(folder, '.fsync-probe'));
    await mkdir(join(folder, '.fsync-probe'));
    expect((await createDiskProbe(folder, systemClock)()).fsyncMs).toBe(-1);
  });
});
