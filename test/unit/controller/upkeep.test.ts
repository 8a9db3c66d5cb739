import { describe, expect, it } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { writeRecord } from '../../../src/backup/record.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { ClusterLoop } from '../../../src/controller/cluster-loop.ts';
import type { Chore, ChoreContext } from '../../../src/controller/upkeep/chore.ts';
import { Upkeep, type UpkeepTarget } from '../../../src/controller/upkeep/upkeep.ts';
import { desire, form, openControllerWorld, threeHosts } from '../../support/controller-world.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { fullRecord } from '../backup/records.ts';
import { testSpec } from '../etcd/etcd-fixture.ts';

const never = new AbortController().signal;
const target: UpkeepTarget = { spec: testSpec('3.5.33'), commit: 'a'.repeat(40), digest: 'one' };

interface Stage {
  readonly upkeep: Upkeep;
  readonly store: MemoryStore;
  /** Milliseconds that were slept so far. */
  readonly nowMs: () => number;
  readonly warnings: readonly object[];
}

/** Time passes as fast as it is slept. After `untilMs` it stands still. */
function stage(chores: readonly Chore[], untilMs: number): Stage {
  let nowMs = 0;
  const warnings: object[] = [];
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: async (ms, signal) => {
      if (nowMs + ms > untilMs) return systemClock.sleep(3_600_000, signal);
      nowMs += ms;
      await systemClock.sleep(0, signal);
    },
  };
  const store = createMemoryStore();
  const unexpected = (): never => {
    throw new Error('no chore of this test looks at the cluster');
  };
  const log: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields), child: () => log };
  const keystore = createMemoryKeystore({ clock, seed: 'one' });
  const catalog = new BackupCatalog(store);
  const sight = { clock, store, catalog, keystore, probe: { health: unexpected }, agent: unexpected, etcd: unexpected };
  const upkeep = new Upkeep({ chores, sight: () => Promise.resolve(sight), stateDir: '/nowhere', clock, log });
  return { upkeep, store, nowMs: () => nowMs, warnings };
}

async function until(holds: () => boolean): Promise<void> {
  const look = () => Promise.resolve(holds() ? true : undefined);
  const { seen } = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 5 }, look);
  expect(seen).toBe(true);
}

const chore = (name: Chore['name'], run: (context: ChoreContext) => Promise<number>): Chore => ({ name, run });

describe('upkeep', () => {
  it('runs its chores one after another, each when it wants to be asked', async () => {
    const asked: string[] = [];
    let isBusy = false;
    const timed = (name: Chore['name'], everyMs: number): Chore =>
      chore(name, async () => {
        expect(isBusy).toBe(false);
        isBusy = true;
        await systemClock.sleep(1);
        isBusy = false;
        asked.push(`${name} ${nowMs()}`);
        return everyMs;
      });
    const { upkeep, nowMs } = stage([timed('backup', 20_000), timed('prune', 30_000)], 60_000);
    upkeep.tend(target, never);
    await until(() => asked.length === 7);
    await upkeep.stop();
    expect(asked).toEqual([
      'backup 0',
      'prune 0',
      'backup 20000',
      'prune 30000',
      'backup 40000',
      'backup 60000',
      'prune 60000',
    ]);
  });

  it('asks no chore more than once a second, and each at least once an hour', async () => {
    const times: number[] = [];
    const { upkeep, nowMs } = stage(
      [
        chore('backup', async () => {
          times.push(nowMs());
          return times.length < 3 ? 0 : Number.POSITIVE_INFINITY;
        }),
      ],
      4_000_000,
    );
    upkeep.tend(target, never);
    await until(() => times.length === 4);
    await upkeep.stop();
    expect(times).toEqual([0, 1000, 2000, 3_602_000]);
  });

  it('tries a chore that failed again, less and less often, and lets it keep no other from its turn', async () => {
    const times: number[] = [];
    let pruned = 0;
    const { upkeep, nowMs, warnings } = stage(
      [
        chore('backup', async () => {
          times.push(nowMs());
          if (times.length <= 8) throw new Error('no quorum');
          return 3_600_000;
        }),
        chore('prune', async () => {
          pruned++;
          return 60_000;
        }),
      ],
      3_000_000,
    );
    upkeep.tend(target, never);
    await until(() => times.length === 9);
    await upkeep.stop();
    const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 600, 600].map((seconds) => seconds * 1000));
    expect(warnings).toHaveLength(8);
    expect(warnings[0]).toMatchObject({ code: 'chore-failed', error: 'backup of orders: no quorum' });
    expect(pruned).toBeGreaterThan(20);
  });

  it('waits while the record tells of an operation', async () => {
    let runs = 0;
    const count = chore('backup', async () => {
      runs++;
      return 3_600_000;
    });
    const { upkeep, store, nowMs } = stage([count], 300_000);
    const operation = fullRecord.operation;
    expect(operation).not.toBeNull();
    await writeRecord(store, { ...fullRecord, cluster: 'orders' }, null);
    upkeep.tend(target, never);
    await until(() => nowMs() >= 120_000);
    expect(runs).toBe(0);
    await upkeep.stop();
    store.objects.clear();
    await writeRecord(store, { ...fullRecord, cluster: 'orders', operation: null }, null);
    upkeep.tend({ ...target, digest: 'two' }, never);
    await until(() => runs === 1);
    await upkeep.stop();
  });

  it('ends the chore that is under way when told to, for a newer spec, and when the lease is lost', async () => {
    const seen: { readonly commit: string; readonly signal: AbortSignal }[] = [];
    let running = 0;
    const endless = chore('backup', async ({ commit, signal }) => {
      expect(++running).toBe(1);
      seen.push({ commit, signal });
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      running--;
      signal.throwIfAborted();
      return 1;
    });
    const { upkeep, warnings } = stage([endless], 0);
    const lease = new AbortController();
    upkeep.tend(target, lease.signal);
    await until(() => seen.length === 1);
    upkeep.tend({ ...target, commit: 'b'.repeat(40) }, lease.signal);
    expect(seen[0]?.signal.aborted).toBe(false);
    upkeep.tend({ ...target, digest: 'two', commit: 'c'.repeat(40) }, lease.signal);
    await until(() => seen.length === 2);
    expect(seen[0]?.signal.aborted).toBe(true);
    expect(seen[1]?.commit).toBe('c'.repeat(40));
    lease.abort(new Error('lost'));
    await until(() => running === 0);
    upkeep.tend({ ...target, digest: 'two' }, never);
    await until(() => seen.length === 3);
    await upkeep.stop();
    expect(running).toBe(0);
    expect(seen).toHaveLength(3);
    expect(warnings).toEqual([]);
  });
});

describe('the loop of a cluster', () => {
  it('keeps it up beside its passes while it holds the lease, and stops with it', async () => {
    const signals: AbortSignal[] = [];
    const endless = chore('backup', ({ signal }) => {
      signals.push(signal);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('told to stop')), { once: true });
      });
    });
    const { world, model, stateDir, coordination } = await openControllerWorld({ chores: [endless] });
    await form(model, threeHosts, stateDir);
    let passes = 0;
    const loop = new ClusterLoop(world, desire(threeHosts), { onResult: () => passes++ });
    await loop.pass();
    expect(signals).toEqual([]);
    loop.start();
    await until(() => signals.length === 1);
    // The chore never ends; the passes go on.
    await until(() => passes > 3);
    expect(signals[0]?.aborted).toBe(false);
    loop.update(desire({ ...threeHosts, etcd: { 'heartbeat-interval': 150 } }));
    await until(() => signals.length === 2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    coordination.lose();
    await until(() => signals.length === 3);
    coordination.otherHolder = 'another';
    coordination.lose();
    await until(() => signals[2]?.aborted === true);
    await loop.stop();
    expect(signals).toHaveLength(3);
  });

  it('keeps up a suspended cluster too, and no orphaned one', async () => {
    const asked: boolean[] = [];
    const note = chore('backup', async ({ spec }) => {
      asked.push(spec.suspend);
      return 3_600_000;
    });
    const { world, model, stateDir } = await openControllerWorld({ chores: [note] });
    await form(model, threeHosts, stateDir);
    const loop = new ClusterLoop(world, desire({ ...threeHosts, suspend: true }), {});
    loop.start();
    await until(() => asked.length > 0);
    await loop.stop();
    expect(new Set(asked)).toEqual(new Set([true]));
    asked.length = 0;
    let passes = 0;
    const orphaned = new ClusterLoop(world, desire(threeHosts, { isOrphaned: true }), { onResult: () => passes++ });
    orphaned.start();
    await until(() => passes > 3);
    await orphaned.stop();
    expect(asked).toEqual([]);
  });
});
