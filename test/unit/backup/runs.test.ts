import { describe, expect, it } from 'vitest';
import { listRuns, type RunRecord, writeRun } from '../../../src/backup/runs.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { errorOf } from './streams.ts';

const step = { id: '1', action: 'backup', target: 'a', startedAtMs: 1, endedAtMs: 2, outcome: 'done' } as const;
const run: RunRecord = {
  formatVersion: '1.0',
  cluster: 'orders',
  commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  digest: `sha256:${'0'.repeat(64)}`,
  actor: 'controller@one',
  epoch: 7,
  startedAtMs: Date.UTC(2026, 10, 20, 15, 29, 48),
  endedAtMs: Date.UTC(2026, 10, 20, 15, 30, 0),
  outcome: 'failed',
  error: { code: 'backup-failed', summary: 'no' },
  steps: [step, { ...step, id: '2', outcome: 'failed', error: { code: 'x', summary: 'y' } }],
};

describe('runs', () => {
  it('are kept under time and commit, newest first', async () => {
    const store = createMemoryStore();
    expect(await writeRun(store, run)).toBe('runs/2026-11-20T15:29:48Z-a1b2c3d4e5f6.json');
    const { error: _error, ...later } = { ...run, startedAtMs: run.startedAtMs + 60_000, outcome: 'done' as const };
    await writeRun(store, later);
    expect(await listRuns(store, 10)).toEqual({ runs: [later, run], diagnostics: [] });
    expect((await listRuns(store, 1)).runs).toEqual([later]);
    expect((await listRuns(store, 0)).runs).toEqual([]);
  });

  it('are never rewritten; the same one twice is one', async () => {
    const store = createMemoryStore();
    const key = await writeRun(store, run);
    expect(await writeRun(store, run)).toBe(key);
    const other = { ...run, epoch: 8 };
    expect(await writeRun(store, other)).toBe('runs/2026-11-20T15:29:48Z-a1b2c3d4e5f6-2.json');
    expect((await listRuns(store, 10)).runs).toEqual(expect.arrayContaining([run, other]));
  });

  it('that cannot be read are reported beside those that can', async () => {
    const store = createMemoryStore();
    await writeRun(store, run);
    await store.write('runs/2026-11-20T15:29:49Z-a1b2c3d4e5f6.json', '{"formatVersion":"9"}');
    const listing = await listRuns(store, 10);
    expect(listing.runs).toEqual([run]);
    expect(listing.diagnostics).toMatchObject([{ code: 'run-record-invalid' }]);
    store.faults.away = true;
    expect((await errorOf(listRuns(store, 10))).code).toBe('store-unreachable');
  });

  it('are refused with a commit that would leave the folder', async () => {
    expect((await errorOf(writeRun(createMemoryStore(), { ...run, commit: '../../x' }))).code).toBe(
      'run-record-invalid',
    );
  });
});
