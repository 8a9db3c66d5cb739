import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { listDrills } from '../../../src/backup/drill-results.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import { createDrillFixture, type DrillFixture } from '../backup/drill-fixture.ts';

const inTime = { timeout: 60_000 };
const main = join(import.meta.dirname, '../../../src/cli/main.ts');

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function quorate(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', main, ...args], { timeout: 50_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err });
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const reason = skipReason('v36') ?? skipReason('v34');

describe.skipIf(reason !== undefined)(`backups by hand (${reason ?? 'on real etcd'})`, () => {
  let fixture: DrillFixture;
  let store: readonly string[];
  beforeAll(async () => {
    fixture = await createDrillFixture('v36');
    store = ['--store', pathToFileURL(join(fixture.folder, 'store')).href, '--cluster', 'orders'];
  }, 60_000);
  afterAll(() => fixture.close());

  it('quorate restore makes a data dir that etcd starts on, with all keys and leases', inTime, async () => {
    const dataDir = join(fixture.folder, 'by hand', 'data');
    await mkdir(dataDir, { recursive: true });
    const peer = `http://127.0.0.1:${await freePort()}`;
    const target = ['--data-dir', dataDir, '--name', 'a', '--initial-advertise-peer-urls', peer];
    const words = ['--backup', 'latest', '--bump-revision', '1000', '--format', 'json'];
    const restored = await quorate('restore', ...store, ...target, ...words);
    expect(restored).toMatchObject({ code: 0 });
    expect(await readdir(join(fixture.folder, 'by hand'))).toEqual(['data']);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    const answer = JSON.parse(restored.out) as { backup: string; etcdVersion: string; command: string[] };
    expect(answer).toMatchObject({ backup: fixture.backup.name, etcdVersion: fixture.binary.version });
    // As it was told, but for the client port: another test may have etcd's own.
    const client = `http://127.0.0.1:${await freePort()}`;
    const [program = '', ...args] = answer.command.map((arg) => arg.replace('http://127.0.0.1:2379', client));
    const etcd = spawn(program, args, { stdio: 'ignore' });
    onTestFinished(async () => {
      const exited = once(etcd, 'exit');
      etcd.kill('SIGKILL');
      await exited;
    });
    const ctl = (...ctlArgs: string[]): string => {
      const run = spawnSync(fixture.binary.etcdctl ?? '', [`--endpoints=${client}`, ...ctlArgs], { encoding: 'utf8' });
      return run.status === 0 ? run.stdout : '';
    };
    const up = await waitUntil(systemClock, { timeoutMs: 30_000, intervalMs: 100 }, async () =>
      ctl('endpoint', 'health') === '' ? undefined : true,
    );
    expect(up.seen || ctl('endpoint', 'health')).toBe(true);
    const keys = ctl('get', '', '--prefix', '--keys-only')
      .split('\n')
      .filter((line) => line !== '');
    expect(keys).toEqual(['held', 'key-b', 'key-c', 'late']);
    expect(ctl('get', 'key-b', '--print-value-only')).toBe('second\n');
    expect(ctl('lease', 'timetolive', fixture.leaseId, '--keys')).toMatch(/granted with TTL\(3600s\).*held/);
    const status = JSON.parse(ctl('endpoint', 'status', '-w', 'json')) as [
      { Status: { header: { revision: number } } },
    ];
    expect(status[0].Status.header.revision).toBeGreaterThan(1000 + (fixture.backup.proof?.revision ?? 0));
  });

  it(
    'quorate restore touches no folder that holds something, and sweeps up after one that was killed',
    inTime,
    async () => {
      const dataDir = join(fixture.folder, 'in-use');
      await mkdir(join(`${dataDir}.partial`, 'work-killed'), { recursive: true });
      await writeFile(join(`${dataDir}.partial`, 'work-killed', 'snapshot.db'), 'half');
      await mkdir(dataDir);
      await writeFile(join(dataDir, 'precious'), 'data');
      const args = ['restore', ...store, '--backup', fixture.backup.name, '--data-dir', dataDir];
      const refused = await quorate(...args);
      expect(refused).toMatchObject({ code: 10, out: '' });
      expect(refused.err).toContain('it is not empty');
      expect(await readFile(join(dataDir, 'precious'), 'utf8')).toBe('data');
      const other = join(fixture.folder, 'in-use-2');
      await mkdir(join(`${other}.partial`, 'work-killed'), { recursive: true });
      await writeFile(join(`${other}.partial`, 'work-killed', 'snapshot.db'), 'half');
      const done = await quorate('restore', ...store, '--backup', fixture.backup.name, '--data-dir', other);
      expect(done).toMatchObject({ code: 0 });
      expect(done.out).toContain(`--data-dir=${other}`);
      expect(done.out).toContain('as proven');
      expect((await readdir(fixture.folder)).filter((name) => name.startsWith('in-use-2'))).toEqual(['in-use-2']);
    },
  );

  it('quorate restore refuses what cannot come to a good end', inTime, async () => {
    const target = ['--data-dir', join(fixture.folder, 'never')];
    const all = ['restore', ...store, '--backup', fixture.backup.name, ...target];
    const [older, missing, notIn] = await Promise.all([
      quorate(...all, '--version', requireRelease('v34')),
      quorate('restore', ...store, '--backup', '2020-01-01T00:00:00Z-000000', ...target),
      quorate(...all, '--name', 'a', '--initial-cluster', 'b=http://127.0.0.1:2380'),
    ]);
    expect(older).toMatchObject({ code: 10 });
    expect(older.err).toContain('backup-newer-than-tool');
    expect(missing.err).toContain('object-not-found');
    expect(notIn).toMatchObject({ code: 3 });
    expect((await readdir(fixture.folder)).filter((name) => name.startsWith('never'))).toEqual([]);
  });

  it('quorate restore gives up at once where no folder can be made', inTime, async () => {
    // Node's own recursive mkdir goes on for ever there.
    const ended = await quorate('restore', ...store, '--backup', 'latest', '--data-dir', '/proc/quorate-restored');
    expect(ended).toMatchObject({ code: 10, out: '' });
    expect(ended.err).toContain('data-dir-in-use');
    expect(ended.err).toContain('/proc cannot take a data dir: no folder can be made in it');
  });

  it('quorate backup drill says what it compared, and stores it', inTime, async () => {
    const passed = await quorate('backup', 'drill', ...store);
    expect(passed).toMatchObject({ code: 0 });
    expect(passed.out).toContain(`${fixture.backup.name}: passed with etcd ${fixture.binary.version}`);
    expect(passed.out).toMatch(/keys +3 at revision \d+, as recorded\n +hash +\d+, as recorded\n +time +fetch/);
    expect(await listDrills(fixture.store)).toMatchObject([{ outcome: 'passed', backup: fixture.backup.name }]);
    const { proof } = await fixture.forge({ keyCount: 99 });
    onTestFinished(async () => {
      await fixture.forge({ keyCount: fixture.keyCount - 1 });
    });
    const failed = await quorate('backup', 'drill', fixture.backup.name, ...store, '--format', 'json');
    expect(failed.code).toBe(1);
    const stored = { outcome: 'failed', keyCount: 3, revision: proof?.revision, hashCompared: true };
    expect(JSON.parse(failed.out)).toMatchObject(stored);
    expect((await listDrills(fixture.store))[0]).toMatchObject(stored);
  });

  it('latest is a word for verify and drill too', inTime, async () => {
    const [verified, drilled] = await Promise.all([
      quorate('backup', 'verify', 'latest', ...store),
      quorate('backup', 'drill', 'latest', ...store),
    ]);
    expect(verified).toMatchObject({ code: 0, err: '' });
    expect(verified.out).toContain(`${fixture.backup.name}: whole`);
    expect(drilled).toMatchObject({ code: 0 });
    expect(drilled.out).toContain(`${fixture.backup.name}: passed`);
  });
});
