import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Coordination, Lease, LeaseHolder } from '../../../src/coordination/coordination.ts';
import { openLocalCoordination } from '../../../src/coordination/local-lease.ts';

async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-lease-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function open(stateDir: string, clock: Clock = systemClock): Coordination {
  return openLocalCoordination({ stateDir, clock, log: silentLogger });
}

function at(ms: number): Clock {
  return { ...systemClock, now: () => ms };
}

function expectLease(result: Lease | LeaseHolder): Lease {
  if (!result.held) throw new Error(`held by ${result.holder}`);
  onTestFinished(() => result.release());
  return result;
}

interface Told {
  readonly held: boolean;
  readonly epoch: number;
  readonly holder: string;
  readonly childPid?: number | undefined;
}

async function startHolder(stateDir: string, ...options: string[]): Promise<{ child: ChildProcess; told: Told }> {
  const script = join(import.meta.dirname, 'lease-holder.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, stateDir, ...options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface({ input: child.stdout }), 'line', {
    signal: AbortSignal.timeout(20_000),
  })) as [string];
  return { child, told: JSON.parse(line) as Told };
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

test('a second process is told who holds the lease, and gets it the moment the holder is killed', async () => {
  const folder = await stateFolder();
  const { child, told } = await startHolder(folder, '--child');
  expect(told.held).toBe(true);
  // The holder's children do not inherit the lock: it is gone with the holder though they live on.
  const { childPid } = told;
  if (childPid === undefined) throw new Error('the holder has no child');
  onTestFinished(() => void process.kill(childPid, 'SIGKILL'));
  const other = open(folder);
  for (const cluster of ['orders', 'another']) {
    const refused = await other.tryAcquire(cluster, 'second');
    expect(refused).toEqual({
      held: false,
      holder: expect.stringMatching(
        `^process ${child.pid} on ${hostname()} \\(test holder\\) since 20..-.*Z$`,
      ) as unknown,
    });
  }
  await kill(child);
  const lease = expectLease(await other.tryAcquire('orders', 'second'));
  expect(lease.epoch).toBeGreaterThan(told.epoch);
  expect(process.kill(childPid, 0)).toBe(true);
  const { told: third } = await startHolder(folder);
  expect(third.held).toBe(false);
  expect(third.holder).toContain(`process ${process.pid} on`);
});

test('released is free, in this process and for others; a second release does nothing', async () => {
  const folder = await stateFolder();
  const [one, two] = [open(folder), open(folder)];
  const first = expectLease(await one.tryAcquire('orders', 'one'));
  expect(await two.tryAcquire('orders', 'two')).toMatchObject({ held: false });
  await first.release();
  const second = expectLease(await two.tryAcquire('orders', 'two'));
  await first.release();
  expect(await one.tryAcquire('orders', 'one')).toMatchObject({ held: false });
  expect(second.epoch).toBeGreaterThan(first.epoch);
  expect(first.lost.aborted).toBe(false);
});

test('clusters of one process share the lock until the last is released', async () => {
  const folder = await stateFolder();
  const [one, two] = [open(folder), open(folder)];
  const [a, b] = (await Promise.all([one.tryAcquire('a', 'one'), one.tryAcquire('b', 'one')])).map(expectLease);
  if (a === undefined || b === undefined) throw new Error('two leases expected');
  expect(a.epoch).not.toBe(b.epoch);
  expect(await one.tryAcquire('a', 'again')).toMatchObject({
    held: false,
    holder: expect.stringContaining(`${process.pid}`) as unknown,
  });
  await a.release();
  expect(await two.tryAcquire('a', 'two')).toMatchObject({ held: false });
  const again = expectLease(await one.tryAcquire('a', 'one'));
  expect(again.epoch).toBeGreaterThan(b.epoch);
  await b.release();
  await again.release();
  expectLease(await two.tryAcquire('a', 'two'));
});

test('epochs grow when the clock goes back, and when the folder is lost', async () => {
  const folder = await stateFolder();
  const acquire = async (clock: Clock): Promise<number> => {
    const lease = expectLease(await open(folder, clock).tryAcquire('orders', 'test'));
    const record: unknown = JSON.parse(await readFile(join(folder, 'lease.json'), 'utf8'));
    expect(record).toEqual({
      pid: process.pid,
      host: hostname(),
      purpose: 'test',
      acquiredAtMs: clock.now(),
      epoch: lease.epoch,
    });
    await lease.release();
    return lease.epoch;
  };
  expect(await acquire(at(5000))).toBe(5000);
  expect(await acquire(at(5000))).toBe(5001);
  expect(await acquire(at(10))).toBe(5002);
  await rm(folder, { recursive: true });
  expect(await acquire(at(6000))).toBe(6000);
  for (const damaged of ['', '{"epoch":', '{"epoch":"x"}', '[]']) {
    await writeFile(join(folder, 'lease.json'), damaged);
    expect(await acquire(at(7000))).toBe(7000);
  }
});

test('an epoch that nothing can follow stops with a remedy and keeps no lock', async () => {
  const folder = await stateFolder();
  const record = { pid: 1, host: 'h', purpose: 'p', acquiredAtMs: 1, epoch: Number.MAX_SAFE_INTEGER };
  await writeFile(join(folder, 'lease.json'), JSON.stringify(record));
  await expect(open(folder).tryAcquire('orders', 'test')).rejects.toMatchObject({
    code: 'lease-unusable',
    kind: 'stalled',
  });
  await rm(join(folder, 'lease.json'));
  expectLease(await open(folder).tryAcquire('orders', 'test'));
});

test('a lock file that is taken away aborts the lease, and the old lease cannot end the new one', async () => {
  const folder = await stateFolder();
  const [one, two] = [open(folder), open(folder)];
  const lease = expectLease(await one.tryAcquire('orders', 'one'));
  await rename(join(folder, 'lease.lock'), join(folder, 'moved'));
  if (!lease.lost.aborted) await once(lease.lost, 'abort', { signal: AbortSignal.timeout(5000) });
  expect(lease.lost.reason).toMatchObject({ code: 'lease-lost' });
  const next = expectLease(await two.tryAcquire('orders', 'two'));
  expect(next.epoch).toBeGreaterThan(lease.epoch);
  await lease.release();
  expect(await one.tryAcquire('orders', 'one')).toMatchObject({ held: false });
});

test('no flock, a folder that is a file, a folder that is read-only: errors with what to do', async () => {
  const folder = await stateFolder();
  vi.stubEnv('PATH', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(open(folder).tryAcquire('orders', 'test')).rejects.toMatchObject({
    code: 'flock-missing',
    kind: 'stalled',
    remedy: expect.stringContaining('util-linux') as unknown,
  });
  // Another program of that name: never taken for a lock.
  await writeFile(join(folder, 'flock'), '#!/bin/sh\necho unknown option >&2\nexit 1\n');
  await chmod(join(folder, 'flock'), 0o755);
  await expect(open(folder).tryAcquire('orders', 'test')).rejects.toMatchObject({
    code: 'lock-failed',
    summary: expect.stringContaining('unknown option') as unknown,
  });
  vi.unstubAllEnvs();
  const file = join(folder, 'file');
  await writeFile(file, '');
  await expect(open(file).tryAcquire('orders', 'test')).rejects.toMatchObject({
    code: 'lease-unwritable',
    kind: 'transient',
  });
});
