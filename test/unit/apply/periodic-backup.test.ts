import { describe, expect, it } from 'vitest';
import { endpointsOrigin } from '../../../src/apply/endpoints-origin.ts';
import { backUpIfDue, type PeriodicOutcome } from '../../../src/apply/periodic-backup.ts';
import { takeBackupFrom } from '../../../src/apply/take-backup.ts';
import { readBackupCheck } from '../../../src/backup/backup-check.ts';
import { BackupCatalog, listBackups } from '../../../src/backup/catalog.ts';
import { writeDrill } from '../../../src/backup/drill-results.ts';
import type { DrillResult } from '../../../src/backup/store.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Schedule } from '../../../src/base/schedule.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { errorOf } from '../backup/streams.ts';
import { members, type PaperEtcd, paperEtcd, urls } from './paper-etcd.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const hourly: Schedule = { type: 'interval', everyMs: hourMs };

interface Stage {
  readonly etcd: PaperEtcd;
  readonly store: MemoryStore;
  /** Moves the clock on. */
  readonly pass: (ms: number) => void;
  /** As a program that has just been started asks. */
  readonly ask: (change?: { schedule?: Schedule; clusterId?: string }) => Promise<PeriodicOutcome>;
  readonly takeForChange: () => Promise<void>;
  readonly nowMs: () => number;
}

function stage(): Stage {
  const etcd = paperEtcd();
  const store = createMemoryStore();
  let nowMs = Date.UTC(2026, 10, 20, 12);
  const clock: Clock = { ...systemClock, now: () => nowMs };
  const common = { cluster: 'orders', store, clock, commit: null, log: silentLogger, progress: () => undefined };
  const origin = () => endpointsOrigin(etcd, urls, 'orders');
  return {
    etcd,
    store,
    pass: (ms) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
    ask: (change = {}) =>
      backUpIfDue({
        ...common,
        schedule: hourly,
        clusterId: etcd.state.clusterId,
        catalog: new BackupCatalog(store),
        origin,
        ...change,
      }),
    takeForChange: async () => {
      await takeBackupFrom({ ...common, origin: await origin(), reason: 'before-change', runId: 'r' });
    },
  };
}

const drillAt = (atMs: number, backup: string, outcome: DrillResult['outcome']): DrillResult => ({
  formatVersion: '1.0',
  backup,
  outcome,
  problem: outcome === 'passed' ? null : 'the hash is another',
  etcdVersion: '3.5.33',
  startedAtMs: atMs,
  endedAtMs: atMs + 5000,
  keyCount: 1,
  revision: 1,
  hash: 1,
  hashCompared: true,
  timings: { fetchMs: 1, restoreMs: 1, startMs: 1, checkMs: 1 },
});

describe('a periodic backup', () => {
  it('is taken at once when there is none, then once in each interval, whoever asks how often', async () => {
    const { ask, pass, etcd, store, nowMs } = stage();
    const first = await ask();
    expect(first).toMatchObject({ type: 'taken', backup: { proof: { reason: 'periodic', commit: null, run: null } } });
    expect(Math.abs(first.dueAtMs - nowMs() - hourMs)).toBeLessThanOrEqual(hourMs / 10);
    for (let minute = 0; minute < 53; minute++) {
      pass(minuteMs);
      etcd.state.revision++;
      expect(await ask()).toEqual({ type: 'not-due', dueAtMs: first.dueAtMs });
    }
    pass(14 * minuteMs);
    expect(await ask()).toMatchObject({ type: 'taken' });
    expect((await ask()).type).toBe('not-due');
    expect(await listBackups(store)).toHaveLength(2);
  });

  it('reads from a follower that answers, else from the leader', async () => {
    const { ask, pass, etcd } = stage();
    expect(await ask()).toMatchObject({ backup: { proof: { source: 'b' } } });
    etcd.state.away = ['https://b:2379'];
    etcd.state.revision++;
    pass(2 * hourMs);
    expect(await ask()).toMatchObject({ backup: { proof: { source: 'c' } } });
  });

  it('is not needed when another one was taken meanwhile, and asks etcd nothing then', async () => {
    const { ask, pass, etcd, takeForChange } = stage();
    await ask();
    pass(50 * minuteMs);
    await takeForChange();
    pass(30 * minuteMs);
    etcd.state.calls.length = 0;
    expect((await ask()).type).toBe('not-due');
    expect(etcd.state.calls).toEqual([]);
  });

  it('is left out, and that is noted, while nothing is written', async () => {
    const { ask, pass, etcd, store, nowMs } = stage();
    const first = await ask();
    if (first.type !== 'taken') throw new Error(first.type);
    for (let round = 0; round < 3; round++) {
      pass(hourMs + 6 * minuteMs);
      expect(await ask()).toMatchObject({ type: 'unchanged', backup: first.backup.name, revision: 42 });
      expect((await ask()).type).toBe('not-due');
      expect(await readBackupCheck(store)).toEqual({
        formatVersion: '1.0',
        backup: first.backup.name,
        clusterId: etcd.state.clusterId,
        revision: 42,
        checkedAtMs: nowMs(),
      });
    }
    pass(hourMs + 6 * minuteMs);
    etcd.state.revision++;
    expect(await ask()).toMatchObject({ type: 'taken', backup: { proof: { revision: 43 } } });
    expect(await listBackups(store)).toHaveLength(2);
  });

  it('a note counts as long as its backup does, and one that is damaged is none', async () => {
    const { ask, pass, store } = stage();
    await ask();
    pass(2 * hourMs);
    expect((await ask()).type).toBe('unchanged');
    const archive = [...store.objects.keys()].find((key) => key.endsWith('.gz')) ?? '';
    const whole = store.objects.get(archive) ?? new Uint8Array();
    store.objects.set(archive, whole.subarray(1));
    expect((await ask()).type).toBe('taken');
    pass(2 * hourMs);
    store.objects.set('control/backup-check.json', Buffer.from('{'));
    expect((await ask()).type).toBe('unchanged');
    expect(await readBackupCheck(store)).toBeDefined();
  });

  it('of another cluster in the same place does not count, and what answers has to be the right one', async () => {
    const { ask, etcd } = stage();
    await ask();
    etcd.state.clusterId = 'aaaa';
    expect((await ask()).type).toBe('taken');
    etcd.state.clusterId = 'bbbb';
    const error = await errorOf(ask({ clusterId: 'cccc' }));
    expect(error).toMatchObject({ code: 'backup-other-cluster', kind: 'stalled' });
  });

  it('is taken at once after a drill that failed, also when nothing was written; once', async () => {
    const { ask, pass, store, nowMs } = stage();
    const first = await ask();
    if (first.type !== 'taken') throw new Error(first.type);
    pass(minuteMs);
    await writeDrill(store, drillAt(nowMs(), first.backup.name, 'impossible'));
    pass(minuteMs);
    expect((await ask()).type).toBe('not-due');
    await writeDrill(store, drillAt(nowMs(), first.backup.name, 'failed'));
    pass(minuteMs);
    expect(await ask()).toMatchObject({ type: 'taken', backup: { proof: { revision: 42 } } });
    pass(minuteMs);
    expect((await ask()).type).toBe('not-due');
    pass(2 * hourMs);
    expect((await ask()).type).toBe('unchanged');
  });

  it('is not kept from its time by what is dated far ahead', async () => {
    const { ask, pass, store, etcd, nowMs } = stage();
    const ahead = await ask();
    await writeDrill(store, drillAt(nowMs(), '2026-11-20T12:00:00Z-000000', 'failed'));
    pass(-30 * 24 * hourMs);
    etcd.state.revision++;
    expect(ahead.type).toBe('taken');
    expect((await ask()).type).toBe('taken');
    expect((await ask()).type).toBe('not-due');
  });

  it('follows a cron expression', async () => {
    const { ask, pass, etcd } = stage();
    const noon: Schedule = { type: 'cron', expression: '0 12 * * *' };
    expect((await ask({ schedule: noon })).type).toBe('taken');
    etcd.state.revision++;
    pass(23 * hourMs);
    expect((await ask({ schedule: noon })).type).toBe('not-due');
    pass(hourMs + 10 * minuteMs);
    expect((await ask({ schedule: noon })).type).toBe('taken');
    expect((await ask({ schedule: noon })).type).toBe('not-due');
  });

  it('rejects while there is no quorum, or the store is away, and goes on when they are back', async () => {
    const { ask, store, etcd } = stage();
    etcd.state.away = ['https://a:2379', 'https://b:2379'];
    expect((await errorOf(ask())).code).toBe('etcd-timeout');
    etcd.state.away = [];
    store.faults.away = true;
    expect((await errorOf(ask())).code).toBe('store-unreachable');
    store.faults.away = false;
    expect((await ask()).type).toBe('taken');
  });
});

describe('the member to read from', () => {
  it('is none when no endpoint is a voter that answers', async () => {
    const etcd = paperEtcd();
    etcd.state.away = ['https://b:2379'];
    const error = await errorOf(endpointsOrigin(etcd, ['https://b:2379'], 'orders'));
    expect(error).toMatchObject({ code: 'backup-failed', kind: 'transient' });
    expect(error.summary).toContain('connection refused');
    expect(await endpointsOrigin(etcd, urls, 'orders')).toMatchObject({ source: 'c', members });
  });

  it('is refused when the endpoints are of several clusters', async () => {
    const etcd = paperEtcd();
    const mixed = { ...etcd, memberList: async () => ({ clusterId: 'other', members }) };
    expect(await errorOf(endpointsOrigin(mixed, urls, 'orders'))).toMatchObject({
      code: 'endpoints-of-several-clusters',
      kind: 'invalid',
    });
  });
});
