import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { judgeBackups, type Protections, type RetentionVerdict } from '../../../src/backup/retention.ts';
import type { Backup, BackupProof } from '../../../src/backup/store.ts';
import { formatTime } from '../../../src/base/clock.ts';
import type { KeepSpec } from '../../../src/spec/cluster-spec.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** A Friday. */
const now = Date.UTC(2026, 10, 20, 15, 29, 48);
const none: Protections = { named: [], unreadable: [] };
const nothing: KeepSpec = { last: 1, hourly: 0, daily: 0, weekly: 0 };

function proofOf(reason: string, run: string | null): BackupProof {
  return {
    formatVersion: '1.0',
    sha256: 'ab',
    sizeBytes: 1,
    dbSizeBytes: 1,
    revision: 1,
    hash: 1,
    clusterId: '1',
    source: 'a',
    members: [],
    reason,
    commit: null,
    run,
    verifiedAtMs: now,
  };
}

/** `change` names the run that took it before its changes; `foreign` has no proof. */
function backupAt(
  takenAtMs: number,
  kind: 'periodic' | 'foreign' | `change ${string}` = 'periodic',
  number = 0,
): Backup {
  const name = `${formatTime(takenAtMs)}-${String(number).padStart(6, '0')}`;
  const common = { name, takenAtMs, etcdVersion: '3.5.33', memberCount: 3 };
  if (kind === 'foreign') return common;
  const run = kind.startsWith('change ') ? kind.slice(7) : null;
  return { ...common, proof: proofOf(run === null ? 'periodic' : 'before-change', run) };
}

const newestFirst = (backups: readonly Backup[]): readonly Backup[] =>
  backups.toSorted((a, b) => (a.name < b.name ? 1 : -1));
const namesOf = (verdicts: readonly RetentionVerdict[], verdict: 'keep' | 'delete'): readonly string[] =>
  verdicts.filter((entry) => entry.verdict === verdict).map(({ name }) => name);
const keptTimes = (backups: readonly Backup[], keep: KeepSpec): readonly string[] =>
  namesOf(judgeBackups(newestFirst(backups), keep, now, none), 'keep').map((name) => name.slice(5, 16));

describe('what is kept', () => {
  test('the newest ones, by number', () => {
    const backups = [30, 20, 10, 5].map((days) => backupAt(now - days * dayMs));
    expect(keptTimes(backups, { ...nothing, last: 2 })).toEqual(['11-15T15:29', '11-10T15:29']);
  });

  test('the newest of each hour, day and ISO week that holds one', () => {
    const times = ['2026-11-15T23:59:00Z', '2026-11-16T00:00:00Z', '2026-11-16T00:40:00Z', '2026-11-16T01:10:00Z'];
    const backups = times.map((time) => backupAt(Date.parse(time)));
    expect(keptTimes(backups, { ...nothing, hourly: 2 })).toEqual(['11-16T01:10', '11-16T00:40']);
    expect(keptTimes(backups, { ...nothing, daily: 2 })).toEqual(['11-16T01:10', '11-15T23:59']);
    // Monday the 16th begins a week.
    expect(keptTimes(backups, { ...nothing, weekly: 2 })).toEqual(['11-16T01:10', '11-15T23:59']);
    expect(keptTimes(backups, { ...nothing, weekly: 1 })).toEqual(['11-16T01:10']);
  });

  test('a verified one rather than a newer unverified one of the same period', () => {
    const day = Date.UTC(2026, 9, 1);
    const backups = [backupAt(day + hourMs), backupAt(day + 2 * hourMs, 'foreign'), backupAt(day + dayMs)];
    expect(keptTimes(backups, { ...nothing, daily: 2 })).toEqual(['10-02T00:00', '10-01T01:00']);
  });

  test('a pause in taking backups deletes nothing: periods without one are not counted', () => {
    const backups = [400, 300, 200].map((days) => backupAt(now - days * dayMs));
    expect(keptTimes(backups, { ...nothing, daily: 3 })).toHaveLength(3);
  });
});

describe('what is protected', () => {
  const old = (days: number): number => now - days * dayMs;

  it.each<[string, readonly Backup[], Protections, string]>([
    ['the newest verified', [backupAt(old(9)), backupAt(old(8), 'foreign')], none, 'protected: the newest verified'],
    [
      'the one before the last change',
      [backupAt(old(9), 'change r7'), backupAt(old(8))],
      none,
      'protected: taken before the last change (run r7)',
    ],
    [
      'a named one',
      [backupAt(old(9)), backupAt(old(8))],
      { ...none, named: [{ name: backupAt(old(9)).name, by: 'the spec' }] },
      'protected: named by the spec',
    ],
    [
      'one with a part that cannot be read',
      [backupAt(old(9), 'foreign'), backupAt(old(8))],
      { ...none, unreadable: [{ name: backupAt(old(9)).name, why: 'its proof cannot be read' }] },
      'protected: its proof cannot be read',
    ],
    [
      'a young one',
      [backupAt(now - hourMs + 1000), backupAt(now - 1000)],
      none,
      'protected: younger than one hour (59m 59s)',
    ],
  ])('%s', (_what, backups, protections, reason) => {
    const [, oldest] = judgeBackups(newestFirst(backups), nothing, now, protections);
    expect(oldest).toEqual({ name: newestFirst(backups)[1]?.name, verdict: 'keep', reasons: [reason] });
  });

  it('is not the one before an earlier change, nor one of exactly an hour', () => {
    const backups = newestFirst([
      backupAt(old(9), 'change r6'),
      backupAt(old(8), 'change r7'),
      backupAt(now - hourMs),
      backupAt(now),
    ]);
    const verdicts = judgeBackups(backups, nothing, now, none);
    expect(verdicts.map(({ verdict }) => verdict)).toEqual(['keep', 'delete', 'keep', 'delete']);
    expect(verdicts[1]?.reasons).toEqual(['beyond what `keep` asks for']);
  });

  it('is one that its own meta dates earlier than its name, and one from the future', () => {
    const misdated = { ...backupAt(now - 60_000, 'foreign'), takenAtMs: old(400) };
    const backups = newestFirst([misdated, backupAt(now + dayMs, 'foreign'), backupAt(now + 2 * dayMs)]);
    const verdicts = judgeBackups(backups, nothing, now, none);
    expect(namesOf(verdicts, 'delete')).toEqual([]);
    expect(verdicts[1]?.reasons[0]).toBe('protected: dated in the future');
  });

  it('is what the catalog left out because it cannot be read, in its place of the list', () => {
    const broken = backupAt(old(5)).name;
    const unreadable = [{ name: broken, why: 'its meta cannot be read' }];
    const verdicts = judgeBackups([backupAt(old(1)), backupAt(old(9))], nothing, now, { ...none, unreadable });
    expect(verdicts.map(({ name, verdict }) => [name.slice(8, 10), verdict])).toEqual([
      ['19', 'keep'],
      ['15', 'keep'],
      ['11', 'delete'],
    ]);
  });

  it('of another program follows the same rules and says so', () => {
    const verdicts = judgeBackups([backupAt(old(1), 'foreign'), backupAt(old(9), 'foreign')], nothing, now, none);
    const origin = 'has no proof: another program wrote it';
    expect(verdicts.map(({ reasons }) => reasons)).toEqual([
      ['the newest', origin],
      ['beyond what `keep` asks for', origin],
    ]);
  });
});

describe('on any store', () => {
  const kind = fc.oneof(
    fc.constant('periodic' as const),
    fc.constant('foreign' as const),
    fc.integer({ min: 1, max: 3 }).map((run): `change ${string}` => `change r${run}`),
  );
  // Dense at the near end, so that hours hold several; and up to a year away.
  const ageMinutes = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.integer({ min: 0, max: 525_600 }));
  const stores = fc
    .array(fc.tuple(ageMinutes, kind), { maxLength: 60 })
    .map((entries) => newestFirst(entries.map(([age, what], index) => backupAt(now - age * 60_000, what, index))));
  const count = fc.integer({ min: 0, max: 12 });
  const keeps = fc.record({ last: fc.integer({ min: 1, max: 12 }), hourly: count, daily: count, weekly: count });
  const protectionsOf = (backups: readonly Backup[], seed: number): Protections => ({
    named: backups.filter((_, index) => (index + seed) % 11 === 0).map(({ name }) => ({ name, by: 'the spec' })),
    unreadable: backups.filter((_, index) => (index + seed) % 13 === 0).map(({ name }) => ({ name, why: 'damaged' })),
  });
  const seeds = fc.integer({ min: 0, max: 100 });

  it('never deletes a protected one', () => {
    fc.assert(
      fc.property(stores, keeps, seeds, (backups, keep, seed) => {
        const protections = protectionsOf(backups, seed);
        const gone = new Set(namesOf(judgeBackups(backups, keep, now, protections), 'delete'));
        const lastRun = backups.find(({ proof }) => proof?.reason === 'before-change')?.proof?.run;
        const safe = [
          backups.find(({ proof }) => proof !== undefined),
          ...backups.filter(({ proof }) => lastRun !== undefined && proof?.run === lastRun),
          ...backups.filter(({ takenAtMs }) => now - takenAtMs < hourMs),
        ].flatMap((backup) => (backup === undefined ? [] : [backup.name]));
        const named = [...protections.named, ...protections.unreadable].map(({ name }) => name);
        expect([...safe, ...named].filter((name) => gone.has(name))).toEqual([]);
      }),
    );
  });

  it('says the same twice, and nothing more is to delete when it has been done', () => {
    fc.assert(
      fc.property(stores, keeps, seeds, (backups, keep, seed) => {
        const protections = protectionsOf(backups, seed);
        const verdicts = judgeBackups(backups, keep, now, protections);
        expect(judgeBackups(backups, keep, now, protections)).toEqual(verdicts);
        expect(verdicts.map(({ name }) => name)).toEqual(backups.map(({ name }) => name));
        const kept = new Set(namesOf(verdicts, 'keep'));
        const rest = backups.filter(({ name }) => kept.has(name));
        expect(namesOf(judgeBackups(rest, keep, now, protections), 'delete')).toEqual([]);
        expect(verdicts.every(({ reasons }) => reasons.length > 0)).toBe(true);
      }),
    );
  });

  it('deletes no more when more is to be kept', () => {
    fc.assert(
      fc.property(stores, keeps, keeps, (backups, keep, more) => {
        const larger: KeepSpec = {
          last: keep.last + more.last,
          hourly: keep.hourly + more.hourly,
          daily: keep.daily + more.daily,
          weekly: keep.weekly + more.weekly,
        };
        const gone = new Set(namesOf(judgeBackups(backups, keep, now, none), 'delete'));
        expect(namesOf(judgeBackups(backups, larger, now, none), 'delete').filter((name) => !gone.has(name))).toEqual(
          [],
        );
      }),
    );
  });

  it('keeps of each period what a calendar says', () => {
    fc.assert(
      fc.property(stores, keeps, (backups, keep) => {
        const kept = new Set(namesOf(judgeBackups(backups, keep, now, none), 'keep'));
        const periods: readonly [(ms: number) => string, number][] = [
          [(ms) => new Date(ms).toISOString().slice(0, 13), keep.hourly],
          [(ms) => new Date(ms).toISOString().slice(0, 10), keep.daily],
          [isoWeek, keep.weekly],
        ];
        for (const [labelOf, limit] of periods) {
          const labels = [...new Set(backups.map(({ takenAtMs }) => labelOf(takenAtMs)))].slice(0, limit);
          for (const label of labels) {
            const inside = backups.filter(({ takenAtMs }) => labelOf(takenAtMs) === label);
            const best = inside.find(({ proof }) => proof !== undefined) ?? inside[0];
            expect(kept).toContain(best?.name);
          }
        }
      }),
    );
  });
});

/** `2026-W47`, by the Thursday of the week, as ISO 8601 defines it. */
function isoWeek(ms: number): string {
  const weekday = (new Date(ms).getUTCDay() + 6) % 7;
  const thursday = new Date(ms + (3 - weekday) * dayMs);
  const dayOfYear = Math.floor((thursday.getTime() - Date.UTC(thursday.getUTCFullYear(), 0, 1)) / dayMs);
  return `${thursday.getUTCFullYear()}-W${Math.floor(dayOfYear / 7) + 1}`;
}
