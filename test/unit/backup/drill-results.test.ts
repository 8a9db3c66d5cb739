import { describe, expect, it } from 'vitest';
import { listDrills, readLastDrill, writeDrill } from '../../../src/backup/drill-results.ts';
import { type DrillScheduleInput, nextDrillAtMs } from '../../../src/backup/drill-schedule.ts';
import type { DrillResult } from '../../../src/backup/store.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startedAtMs = Date.parse('2026-11-20T12:00:00Z');
const backup = '2026-11-20T11:00:00Z-000000';

const passed: DrillResult = {
  formatVersion: '1.0',
  backup,
  outcome: 'passed',
  problem: null,
  etcdVersion: '3.6.14',
  startedAtMs,
  endedAtMs: startedAtMs + 5000,
  keyCount: 12,
  revision: 34,
  hash: 4_000_000_000,
  hashCompared: true,
  timings: { fetchMs: 1, restoreMs: 2, startMs: 3, checkMs: 4 },
};

describe('results of drills', () => {
  it('are kept under their time and backup, and the newest is found', async () => {
    const store = createMemoryStore();
    expect(await readLastDrill(store)).toBeUndefined();
    expect(await writeDrill(store, passed)).toBe(`drills/2026-11-20T12:00:00Z-${backup}.json`);
    const later = {
      ...passed,
      startedAtMs: startedAtMs + dayMs,
      outcome: 'failed',
      problem: 'no',
      hash: null,
    } as const;
    await writeDrill(store, later);
    expect(await readLastDrill(store)).toEqual(later);
    expect(await listDrills(store)).toEqual([later, passed]);
    expect(await listDrills(store, 1)).toEqual([later]);
  });

  it('are never rewritten, and the same one again is no second drill', async () => {
    const store = createMemoryStore();
    const key = await writeDrill(store, passed);
    expect(await writeDrill(store, passed)).toBe(key);
    expect(await writeDrill(store, { ...passed, keyCount: 13 })).toBe(key.replace('.json', '-2.json'));
    expect(await listDrills(store)).toHaveLength(2);
  });

  it('are refused where they could not be read again, and passed over where somebody damaged them', async () => {
    const store = createMemoryStore();
    await expect(writeDrill(store, { ...passed, keyCount: -1 })).rejects.toMatchObject({
      code: 'drill-result-invalid',
    });
    expect(await store.list('')).toEqual([]);
    await writeDrill(store, passed);
    await store.write(`drills/2026-11-21T12:00:00Z-${backup}.json`, '{"outcome":"passed"}');
    expect(await readLastDrill(store)).toEqual(passed);
  });
});

describe('the time of the next drill', () => {
  const input: DrillScheduleInput = {
    cadence: 'daily',
    cluster: 'orders',
    last: passed,
    newest: { name: backup, takenAtMs: startedAtMs - hourMs },
    nowMs: startedAtMs + hourMs,
  };
  const newer = { name: '2026-11-20T13:00:00Z-000000', takenAtMs: startedAtMs + hourMs };

  it('is now when there was none, and when the last one is from the future', () => {
    expect(nextDrillAtMs({ ...input, last: undefined })).toBe(input.nowMs);
    expect(nextDrillAtMs({ ...input, nowMs: startedAtMs - 2 * dayMs })).toBe(startedAtMs - 2 * dayMs);
  });

  it.each([
    ['daily', dayMs],
    ['weekly', 7 * dayMs],
  ] as const)('%s: comes once in each period, at the same moment of it, whoever asks and when', (cadence, periodMs) => {
    const first = nextDrillAtMs({ ...input, cadence });
    expect(first).toBeGreaterThan(startedAtMs);
    expect(first).toBeLessThanOrEqual(startedAtMs + periodMs);
    expect(nextDrillAtMs({ ...input, cadence, nowMs: input.nowMs + hourMs / 2 })).toBe(first);
    const late = { ...passed, startedAtMs: first + 17 * 60_000, endedAtMs: first + 18 * 60_000 };
    expect(nextDrillAtMs({ ...input, cadence, last: late, nowMs: late.endedAtMs })).toBe(first + periodMs);
  });

  it('differs between clusters', () => {
    const times = ['a', 'b', 'c', 'd', 'e', 'f'].map((cluster) => nextDrillAtMs({ ...input, cluster }));
    expect(new Set(times).size).toBe(times.length);
  });

  it('is soon after a failure once there is a newer backup, and not before', () => {
    const failed: DrillResult = { ...passed, outcome: 'failed', problem: 'wrong' };
    const weekly = { ...input, cadence: 'weekly', last: failed } as const;
    const regular = nextDrillAtMs({ ...weekly, last: passed });
    expect(nextDrillAtMs(weekly)).toBe(regular);
    expect(nextDrillAtMs({ ...weekly, newest: newer })).toBe(Math.min(regular, failed.endedAtMs + hourMs));
  });

  it('is some hours later where it was impossible', () => {
    const last: DrillResult = { ...passed, outcome: 'impossible', problem: 'no etcd' };
    const weekly = { ...input, cadence: 'weekly', last } as const;
    expect(nextDrillAtMs(weekly)).toBe(
      Math.min(last.endedAtMs + 6 * hourMs, nextDrillAtMs({ ...weekly, last: passed })),
    );
  });
});
