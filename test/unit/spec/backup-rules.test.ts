import { describe, expect, test } from 'vitest';
import { backupSchedule, scheduleProblem } from '../../../src/spec/backup-rules.ts';

const minuteMs = 60_000;

describe('a schedule', () => {
  test.each([
    ['1m', { type: 'interval', everyMs: minuteMs }],
    ['60s', { type: 'interval', everyMs: minuteMs }],
    ['60000ms', { type: 'interval', everyMs: minuteMs }],
    ['15m', { type: 'interval', everyMs: 15 * minuteMs }],
    ['1w', { type: 'interval', everyMs: 7 * 1440 * minuteMs }],
    ['366d', { type: 'interval', everyMs: 366 * 1440 * minuteMs }],
    ['1y', { type: 'interval', everyMs: 365 * 1440 * minuteMs }],
    ['0 */6 * * *', { type: 'cron', expression: '0 */6 * * *' }],
    ['  30 2 * * MON-FRI ', { type: 'cron', expression: '30 2 * * MON-FRI' }],
    ['0 0 29 2 *', { type: 'cron', expression: '0 0 29 2 *' }],
    ['*/5 * 1-7 * 1', { type: 'cron', expression: '*/5 * 1-7 * 1' }],
  ])('%j is one', (text, schedule) => {
    expect(scheduleProblem(text)).toBeUndefined();
    expect(backupSchedule(text)).toEqual(schedule);
  });

  test.each([
    ['59s', 'Found 59s'],
    ['59999ms', 'Found 59999ms'],
    ['0m', 'Found 0m'],
    ['367d', 'Found 367d'],
    ['2y', 'Found 2y'],
    ['999999999y', 'Found 999999999y'],
    ['', 'Found ""'],
    ['often', 'Found "often"'],
    ['15 m', 'Found "15 m"'],
    ['-15m', 'Found "-15m"'],
    ['1.5h', 'Found "1.5h"'],
    ['@daily', 'Found "@daily"'],
    ['* * * *', 'Found "* * * *"'],
    // Seconds are a sixth field, and would mean sixty backups a minute.
    ['* * * * * *', 'Found "* * * * * *"'],
    ['60 * * * *', ''],
    ['0 24 * * *', ''],
    ['0 0 32 * *', ''],
    ['0 0 * 13 *', ''],
    ['a b c d e', ''],
    ['*/0 * * * *', ''],
    ['0 0 30 2 *', '"0 0 30 2 *" never comes'],
  ])('%j is none', (text, found) => {
    const problem = scheduleProblem(text);
    expect(problem).toContain(found);
    expect(problem).toMatch(
      /Write an interval from 1m to 1y \(15m\), or a cron expression of five fields in UTC \(.*\)\.$/,
    );
  });
});
