import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dueAfter, overdueAfter, type Schedule } from '../../../src/base/schedule.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const at = (text: string): number => Date.parse(text);
const every = (everyMs: number): Schedule => ({ type: 'interval', everyMs });
const cron = (expression: string): Schedule => ({ type: 'cron', expression });
const fifty = Array.from({ length: 50 }, (_, index) => `cluster-${index}`);

describe('an interval', () => {
  it('is kept within a tenth, and the same answer is given each time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: minuteMs, max: 366 * 24 * hourMs }),
        fc.integer({ min: 0, max: 4e12 }),
        fc.string(),
        (everyMs, lastMs, name) => {
          const dueMs = dueAfter(every(everyMs), lastMs, name);
          expect(Math.abs(dueMs - lastMs - everyMs)).toBeLessThanOrEqual(everyMs / 10 + 1);
          expect(dueAfter(every(everyMs), lastMs, name)).toBe(dueMs);
        },
      ),
    );
  });

  it('is spread by name, and anew in each interval', () => {
    const last = at('2026-11-20T12:00:00Z');
    const due = fifty.map((name) => dueAfter(every(hourMs), last, name));
    expect(new Set(due).size).toBe(50);
    expect(Math.max(...due) - Math.min(...due)).toBeGreaterThan(8 * minuteMs);
    const offsets = [0, 1, 2, 3].map(
      (count) => dueAfter(every(hourMs), last + count * hourMs, 'orders') - count * hourMs,
    );
    expect(new Set(offsets).size).toBe(4);
  });

  it('is overdue after two', () => {
    expect(overdueAfter(every(hourMs), 7)).toBe(7 + 2 * hourMs);
  });
});

describe('a cron expression', () => {
  it('is read in UTC, and met at most a tenth of the gap or ten minutes late', () => {
    const sixHours = cron('0 */6 * * *');
    for (const name of fifty) {
      const late = dueAfter(sixHours, at('2026-11-20T13:00:00Z'), name) - at('2026-11-20T18:00:00Z');
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(10 * minuteMs);
      const soon = dueAfter(cron('*/10 * * * *'), at('2026-11-20T13:01:00Z'), name) - at('2026-11-20T13:10:00Z');
      expect(soon).toBeGreaterThanOrEqual(0);
      expect(soon).toBeLessThan(minuteMs);
    }
    const due = fifty.map((name) => dueAfter(sixHours, at('2026-11-20T13:00:00Z'), name));
    expect(new Set(due).size).toBe(50);
  });

  it('a backup that was taken at the very time counts for it', () => {
    const due = dueAfter(cron('0 12 * * *'), at('2026-11-20T12:00:00Z'), 'orders');
    expect(due).toBeGreaterThanOrEqual(at('2026-11-21T12:00:00Z'));
  });

  it('is overdue at its second time', () => {
    expect(overdueAfter(cron('0 12 * * *'), at('2026-11-20T13:00:00Z'))).toBe(at('2026-11-22T12:00:00Z'));
    // Leap days.
    expect(overdueAfter(cron('0 0 29 2 *'), at('2026-01-01T00:00:00Z'))).toBe(at('2032-02-29T00:00:00Z'));
  });

  it('that never comes again is never due', () => {
    expect(dueAfter(cron('0 0 31 2 *'), 0, 'orders')).toBe(Number.POSITIVE_INFINITY);
    expect(overdueAfter(cron('0 0 31 2 *'), 0)).toBe(Number.POSITIVE_INFINITY);
  });
});
