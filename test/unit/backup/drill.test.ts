import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type DrillReport, type DrillRequest, drillBackup } from '../../../src/backup/drill.ts';
import type { Backup } from '../../../src/backup/store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import { skipReason } from '../../support/binaries.ts';
import { createDrillFixture, type DrillFixture } from './drill-fixture.ts';

const inTime = { timeout: 60_000 };

function drill(fixture: DrillFixture, backup: Backup, more: Partial<DrillRequest> = {}): Promise<DrillReport> {
  const workRoot = join(fixture.folder, 'drills');
  const { store, binaries } = fixture;
  return drillBackup({ store, backup, binaries, workRoot, clock: systemClock, log: silentLogger, ...more });
}

/** What is left of drills: folders, and processes that were started in one. */
async function leftovers(fixture: DrillFixture): Promise<readonly string[]> {
  const root = join(fixture.folder, 'drills');
  const folders = (await readdir(root)).filter((name) => name !== '.lock');
  const processes: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`QUORATE_WORK_FOLDER=${root}/`)) processes.push(pid);
  }
  return [...folders, ...processes];
}

describe.each(['v34', 'v35', 'v36'] as const)('a drill on %s', (minor) => {
  const reason = skipReason(minor);
  let fixture: DrillFixture;
  beforeAll(async () => {
    if (reason === undefined) fixture = await createDrillFixture(minor);
  }, 60_000);
  afterAll(() => fixture?.close());

  it('passes a sound backup, with leases and a compacted history, and leaves nothing', inTime, async (context) => {
    if (reason !== undefined) context.skip(reason);
    const phases = new Set<string>();
    const { result, notes } = await drill(fixture, fixture.backup, { progress: ({ phase }) => phases.add(phase) });
    expect(result).toMatchObject({
      outcome: 'passed',
      problem: null,
      backup: fixture.backup.name,
      etcdVersion: fixture.binary.version,
      keyCount: fixture.keyCount - 1,
      revision: fixture.backup.proof?.revision,
      hash: fixture.backup.proof?.hash,
      hashCompared: true,
    });
    expect(notes).toEqual([]);
    expect(Object.values(result.timings).every((ms) => ms >= 0)).toBe(true);
    expect(result.timings.startMs).toBeGreaterThan(0);
    expect([...phases]).toEqual(['fetch', 'restore', 'start', 'check']);
    expect(await leftovers(fixture)).toEqual([]);
  });

  it('fails a backup that does not hold what its proof says', inTime, async (context) => {
    if (reason !== undefined) context.skip(reason);
    const { proof } = fixture.backup;
    if (proof === undefined) throw new Error('the backup has no proof');
    const forged = { ...fixture.backup, proof: { ...proof, keyCount: 1000, hash: proof.hash ^ 1 } };
    const { result } = await drill(fixture, forged);
    expect(result.outcome).toBe('failed');
    expect(result.problem).toContain(`${fixture.keyCount - 1} keys at revision ${proof.revision}, and had 1000`);
    expect(result.problem).toContain('HashKV');
    expect(await leftovers(fixture)).toEqual([]);
  });
});

const reason = skipReason('v36');

describe.skipIf(reason !== undefined)(`a drill (${reason ?? 'on the newest release'})`, () => {
  let fixture: DrillFixture;
  beforeAll(async () => {
    fixture = await createDrillFixture('v36');
  }, 60_000);
  afterAll(() => fixture.close());

  const proofOf = (): NonNullable<Backup['proof']> => {
    if (fixture.backup.proof === undefined) throw new Error('the backup has no proof');
    return fixture.backup.proof;
  };

  it('fails a backup that ends before its proof', inTime, async () => {
    const { result } = await drill(fixture, { ...fixture.backup, proof: { ...proofOf(), revision: 1_000_000 } });
    expect(result).toMatchObject({ outcome: 'failed', hashCompared: false });
    expect(result.problem).toContain('and held 1000000 when it was taken');
  });

  it('compares no hashes that were computed over another compaction, or without one', inTime, async () => {
    const { compactRevision: _, ...older } = proofOf();
    const withoutIt = await drill(fixture, { ...fixture.backup, proof: { ...older, hash: 1 } });
    expect(withoutIt.result).toMatchObject({ outcome: 'passed', hashCompared: false });
    expect(withoutIt.notes.join()).toContain('the hash could not be compared');
    const other = { ...proofOf(), hash: 1, compactRevision: 2 };
    expect((await drill(fixture, { ...fixture.backup, proof: other })).result.hashCompared).toBe(false);
  });

  it('passes a backup without a proof that restores and starts', inTime, async () => {
    const { result, notes } = await drill(fixture, { ...fixture.backup, proof: undefined });
    expect(result).toMatchObject({ outcome: 'passed', hashCompared: false, keyCount: fixture.keyCount });
    expect(notes.join()).toContain('no proof');
  });

  it('fails an altered and a truncated archive before anything is restored', inTime, async () => {
    const whole = await readFile(fixture.file('archive'));
    onTestFinished(() => writeFile(fixture.file('archive'), whole));
    const altered = Buffer.from(whole);
    altered[altered.length >> 1] = (altered[altered.length >> 1] ?? 0) ^ 0x10;
    await writeFile(fixture.file('archive'), altered);
    const first = await drill(fixture, fixture.backup);
    expect(first.result).toMatchObject({ outcome: 'failed', timings: { restoreMs: 0, startMs: 0 } });
    expect(first.result.problem).toContain('backup-altered');
    await writeFile(fixture.file('archive'), whole);
    await truncate(fixture.file('archive'), whole.length - 100);
    expect((await drill(fixture, fixture.backup)).result.problem).toContain('backup-altered');
    const unproven = (await drill(fixture, { ...fixture.backup, proof: undefined })).result;
    expect(unproven.outcome).toBe('failed');
    expect(unproven.problem).toContain('snapshot-corrupt');
  });

  it('is impossible without a release, without room, and for a backup that is gone', inTime, async () => {
    const binaries = createBinaries({
      dirs: [],
      sources: [],
      cacheDir: join(fixture.folder, 'no-cache'),
      clock: systemClock,
      log: silentLogger,
    });
    const unreadable = { ...fixture.backup, etcdVersion: '3.6.999' };
    const none = (await drill(fixture, unreadable, { binaries })).result;
    expect(none.outcome).toBe('impossible');
    expect(none.problem).toContain('binary-unavailable');
    const huge = { ...fixture.backup, proof: { ...proofOf(), dbSizeBytes: 2 ** 52 } };
    const full = (await drill(fixture, huge)).result;
    expect(full.outcome).toBe('impossible');
    expect(full.problem).toMatch(/free and .* are needed.*disk-full/);
    const gone = (await drill(fixture, { ...fixture.backup, name: '2020-01-01T00:00:00Z-000000' })).result;
    expect(gone.outcome).toBe('impossible');
    expect(gone.problem).toContain('object-not-found');
    const unknown = (await drill(fixture, { ...fixture.backup, etcdVersion: 'latest' })).result;
    expect(unknown.problem).toContain('backup-version-unknown');
  });

  it('takes the newest patch at hand where the exact one is not, and says so', inTime, async () => {
    const { version } = fixture.binary;
    const dir = join(fixture.binary.etcd, '..');
    const cacheDir = join(fixture.folder, 'no-cache');
    const binaries = createBinaries({ dirs: [dir], sources: [], cacheDir, clock: systemClock, log: silentLogger });
    const { result, notes } = await drill(fixture, { ...fixture.backup, etcdVersion: '3.6.999' }, { binaries });
    expect(result).toMatchObject({ outcome: 'passed', etcdVersion: version, hashCompared: false });
    expect(notes.join()).toContain('3.6.999 was not at hand');
  });

  it('ends with the reason of an abort at every phase, and leaves nothing', inTime, async () => {
    for (const phase of ['fetch', 'restore', 'start', 'check']) {
      const abort = new AbortController();
      const progress: DrillRequest['progress'] = (seen) => {
        if (seen.phase === phase) abort.abort(new Error(`stopped in ${phase}`));
      };
      await expect(drill(fixture, fixture.backup, { signal: abort.signal, progress })).rejects.toThrow(
        `stopped in ${phase}`,
      );
      expect(await leftovers(fixture)).toEqual([]);
    }
  });

  it('clears away what a drill left that was killed in the middle, its etcd included', inTime, async () => {
    const child: ChildProcess = spawn(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'drill-process.ts'), fixture.folder, fixture.backup.name],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    if (child.stdout !== null) await once(child.stdout, 'data');
    // Its etcd runs, and a drill beside it leaves it alone.
    const during = await leftovers(fixture);
    expect(during).toHaveLength(2);
    expect((await drill(fixture, fixture.backup)).result.outcome).toBe('passed');
    expect(await leftovers(fixture)).toEqual(during);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await leftovers(fixture)).toEqual(during);
    expect((await drill(fixture, fixture.backup)).result.outcome).toBe('passed');
    const cleared = await waitUntil(systemClock, { timeoutMs: 10_000, intervalMs: 20 }, async () =>
      (await leftovers(fixture)).length === 0 ? true : undefined,
    );
    expect(cleared.seen).toBe(true);
  });
});
