import { describe, expect, it } from 'vitest';
import type { DrillResult } from '../../../src/backup/store.ts';
import type { Schedule } from '../../../src/base/schedule.ts';
import { clusterStatus, statusDocument } from '../../../src/report/status.ts';
import type { BackupReport, ClusterStatusInput } from '../../../src/report/status-input.ts';
import { renderStatusText } from '../../../src/report/status-text.ts';
import { inputWith, live, nowMs, spec } from './clusters.ts';
import { commit } from './plans.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const backup = '2026-11-20T15:48:00Z-000001';

const every = (schedule: Schedule): Partial<ClusterStatusInput> => ({
  spec: { ...spec(), backup: { ...spec().backup, every: schedule } },
});
const drilled = (drill: 'daily' | 'weekly' | 'never'): Partial<ClusterStatusInput> => ({
  spec: { ...spec(), backup: { ...spec().backup, drill } },
});
const interval = (minutes: number): Schedule => ({ type: 'interval', everyMs: minutes * minuteMs });
const report = (fields: Partial<BackupReport>): Partial<ClusterStatusInput> => ({
  backups: {
    coveredUntilMs: nowMs - 12 * minuteMs,
    checkedAtMs: undefined,
    lastDrill: undefined,
    damaged: [],
    ...fields,
  },
});
const drill = (fields: Partial<DrillResult>): Partial<ClusterStatusInput> =>
  report({
    lastDrill: {
      formatVersion: '1.0',
      backup,
      outcome: 'passed',
      problem: null,
      etcdVersion: '3.5.33',
      startedAtMs: nowMs - 90 * minuteMs,
      endedAtMs: nowMs - 89 * minuteMs,
      keyCount: 1,
      revision: 1,
      hash: 1,
      hashCompared: true,
      timings: { fetchMs: 1, restoreMs: 1, startMs: 1, checkMs: 1 },
      ...fields,
    },
  });
const finding = {
  severity: 'error' as const,
  code: 'backup-archive-damaged',
  summary: 'A backup is listed, but its archive is not whole.',
  detail: 'x/etcd.backup.gz is missing.',
};

const conditionOf = (type: string, ...fields: readonly Partial<ClusterStatusInput>[]) =>
  clusterStatus(inputWith(Object.assign({}, ...fields) as Partial<ClusterStatusInput>)).conditions.find(
    (condition) => condition.type === type,
  );

describe('conditions about backups', () => {
  it.each<readonly [type: string, status: string, reason: string, fields: readonly Partial<ClusterStatusInput>[]]>([
    ['BackedUp', 'True', 'BackupVerified', [every(interval(10))]],
    ['BackedUp', 'False', 'BackupOverdue', [every(interval(6))]],
    // Nothing was written since, which was looked at in time.
    ['BackedUp', 'True', 'BackupVerified', [every(interval(6)), report({ coveredUntilMs: nowMs - minuteMs })]],
    ['BackedUp', 'False', 'BackupOverdue', [every(interval(60)), report({ coveredUntilMs: undefined })]],
    // 15:48 was the last time; since then 15:50 and 16:00 have come.
    ['BackedUp', 'False', 'BackupOverdue', [every({ type: 'cron', expression: '*/10 * * * *' })]],
    ['BackedUp', 'True', 'BackupVerified', [every({ type: 'cron', expression: '*/15 * * * *' })]],
    ['BackupsWhole', 'True', 'BackupsListed', []],
    ['BackupsWhole', 'False', 'BackupDamaged', [report({ damaged: [finding] })]],
    ['BackupsWhole', 'Unknown', 'StoreReadFailed', [{ backups: undefined }]],
    ['BackupsWhole', 'Unknown', 'NotObserved', [{ live: undefined }]],
    ['DrillPassed', 'Unknown', 'DrillNotDeclared', [drilled('never')]],
    ['DrillPassed', 'Unknown', 'NeverDrilled', [drilled('weekly')]],
    ['DrillPassed', 'Unknown', 'StoreReadFailed', [{ backups: undefined }]],
    ['DrillPassed', 'True', 'DrillPassed', [drilled('daily'), drill({})]],
    ['DrillPassed', 'True', 'DrillPassed', [drilled('daily'), drill({ endedAtMs: nowMs - 2 * dayMs + 1 })]],
    ['DrillPassed', 'False', 'DrillOverdue', [drilled('daily'), drill({ endedAtMs: nowMs - 2 * dayMs })]],
    ['DrillPassed', 'True', 'DrillPassed', [drilled('weekly'), drill({ endedAtMs: nowMs - 13 * dayMs })]],
    ['DrillPassed', 'False', 'DrillOverdue', [drilled('weekly'), drill({ endedAtMs: nowMs - 14 * dayMs })]],
    ['DrillPassed', 'True', 'DrillPassed', [drilled('never'), drill({ endedAtMs: nowMs - 300 * dayMs })]],
    ['DrillPassed', 'False', 'DrillFailed', [drilled('never'), drill({ outcome: 'failed', problem: 'p' })]],
    ['DrillPassed', 'False', 'DrillImpossible', [drilled('daily'), drill({ outcome: 'impossible', problem: 'p' })]],
  ])('has %s %s for %s (%#)', (type, status, reason, fields) => {
    expect(conditionOf(type, ...fields)).toMatchObject({ status, reason });
  });

  it('say what was seen and what to do', () => {
    expect(conditionOf('BackedUp', every(interval(6)))).toMatchObject({
      message:
        'The last periodic backup is 12m old, and one is due every 6m. What to do: see the log of the controller for what stands in the way, or quorate backup create.',
      sinceMs: nowMs,
    });
    expect(conditionOf('BackupsWhole', report({ damaged: [finding, finding, finding, finding] }))?.message).toBe(
      `${Array.from({ length: 3 }, () => `${finding.summary} ${finding.detail}`).join('\n')}\n1 more.`,
    );
    expect(
      conditionOf('DrillPassed', drill({ outcome: 'failed', problem: 'the hash is 2 instead of 1' }))?.message,
    ).toContain(`The backup ${backup} could not be restored as it was taken: the hash is 2 instead of 1. What to do:`);
  });
});

describe('the last backup and the last drill', () => {
  it('are in the document with age and size', () => {
    const status = clusterStatus(inputWith(drill({ outcome: 'failed', problem: 'p' })));
    expect(status.lastBackup).toEqual({
      name: backup,
      at: '2026-11-20T15:48:00Z',
      verified: true,
      ageMs: 12 * minuteMs,
      sizeBytes: 1,
      dbSizeBytes: 1,
      revision: 1,
      checkedAt: null,
    });
    expect(status.lastDrill).toEqual({ backup, at: '2026-11-20T14:31:00Z', outcome: 'failed', problem: 'p' });
    expect(clusterStatus(inputWith(report({ checkedAtMs: nowMs - minuteMs }))).lastBackup?.checkedAt).toBe(
      '2026-11-20T15:59:00Z',
    );
    const { backups } = live();
    const [known] = backups.known ? backups.value : [];
    if (known === undefined) throw new Error('no backup');
    const { proof: _, ...unproven } = known;
    expect(
      clusterStatus(inputWith({ live: live({ backups: { known: true, value: [unproven] } }) })).lastBackup,
    ).toEqual({
      name: backup,
      at: '2026-11-20T15:48:00Z',
      verified: false,
      ageMs: 12 * minuteMs,
      sizeBytes: null,
      dbSizeBytes: null,
      revision: null,
      checkedAt: null,
    });
  });

  it('are in the text; that no drill was asked for is no news', () => {
    const textOf = (...fields: readonly Partial<ClusterStatusInput>[]): string =>
      renderStatusText(
        statusDocument({
          source: { ref: 'main', commit, error: null },
          diagnostics: [],
          clusters: [clusterStatus(inputWith(Object.assign({}, ...fields) as Partial<ClusterStatusInput>))],
        }),
        { nowMs, hasColor: false },
      );
    expect(textOf(drilled('never'))).not.toContain('DrillPassed');
    expect(textOf(drilled('daily'))).toContain('DrillPassed is unknown: NeverDrilled');
    const text = textOf(drill({ outcome: 'failed', problem: 'p' }));
    expect(text).toContain(`  last drill    failed 1h 29m ago, with ${backup}\n`);
    expect(text).toContain('DrillPassed is false: DrillFailed');
    expect(textOf(report({ checkedAtMs: nowMs - minuteMs }))).toContain(
      `  last backup   ${backup}, 12m ago, 1 B in 1 B, verified, nothing written since, seen 1m ago\n`,
    );
  });
});
