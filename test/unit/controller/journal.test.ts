import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openJournal, recoverJournals } from '../../../src/apply/journal.ts';
import { listRuns, type RunRecord, writeRun } from '../../../src/backup/runs.ts';
import { form, temporaryStateDir, threeHosts } from '../../support/controller-world.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { modelSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';

const startedAtMs = 1_795_219_460_000;
const run: RunRecord = {
  formatVersion: '1.0',
  cluster: 'orders',
  commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  digest: 'sha256:5f60',
  actor: 'controller',
  epoch: 7,
  startedAtMs,
  endedAtMs: startedAtMs + 1000,
  outcome: 'interrupted',
  steps: [],
};
const later: RunRecord = { ...run, startedAtMs: startedAtMs + 300, epoch: 8 };

async function leave(stateDir: string, runId: string, record: RunRecord): Promise<void> {
  await (await openJournal(stateDir, 'orders', runId)).write(record);
}

function journalsIn(stateDir: string): Promise<readonly string[]> {
  return readdir(join(stateDir, 'runs', 'orders'));
}

describe('what is left of a run', () => {
  test('is filed once', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    await leave(stateDir, 'one', run);
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([run]);
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([]);
    expect((await listRuns(store, 10)).runs).toEqual([run]);
    expect(await journalsIn(stateDir)).toEqual([]);
  });

  test.each([0, 12])('is filed once, also when an earlier try filed it, %i runs ago', async (count) => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    await leave(stateDir, 'one', run);
    await writeRun(store, run);
    for (let number = 1; number <= count; number++)
      await writeRun(store, { ...run, epoch: 8, startedAtMs: startedAtMs + number * 60_000, outcome: 'done' });
    await recoverJournals(stateDir, 'orders', store);
    const { runs } = await listRuns(store, 100);
    expect(runs).toHaveLength(count + 1);
    expect(runs.filter(({ outcome }) => outcome === 'interrupted')).toEqual([run]);
    expect(await journalsIn(stateDir)).toEqual([]);
  });

  test('is filed for each of two, of the same commit in the same second', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    await leave(stateDir, 'one', run);
    await leave(stateDir, 'two', later);
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([run, later]);
    expect((await listRuns(store, 10)).runs).toEqual([later, run]);
    expect(await journalsIn(stateDir)).toEqual([]);
  });

  test('is kept while the store is away', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    await leave(stateDir, 'one', run);
    await leave(stateDir, 'two', later);
    store.faults.away = true;
    await expect(recoverJournals(stateDir, 'orders', store)).rejects.toMatchObject({ code: 'store-unreachable' });
    expect(await journalsIn(stateDir)).toEqual(['one.json', 'two.json']);
    store.faults.away = false;
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([run, later]);
  });

  test('is kept while the store is full', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    await leave(stateDir, 'one', run);
    store.faults.freeBytes = 0;
    await expect(recoverJournals(stateDir, 'orders', store)).rejects.toMatchObject({ code: 'store-full' });
    expect(await journalsIn(stateDir)).toEqual(['one.json']);
    store.faults.freeBytes = undefined;
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([run]);
  });

  test('is no affair of another cluster', async () => {
    const stateDir = await temporaryStateDir();
    await leave(stateDir, 'one', run);
    expect(await recoverJournals(stateDir, 'billing', createMemoryStore())).toEqual([]);
    expect(await journalsIn(stateDir)).toEqual(['one.json']);
  });
});

describe('a finished run', () => {
  test('is filed as it ended and leaves nothing', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    const journal = await openJournal(stateDir, 'orders', 'one');
    await journal.write(run);
    await journal.finish({ ...run, outcome: 'done' }, store);
    expect((await listRuns(store, 10)).runs).toEqual([{ ...run, outcome: 'done' }]);
    expect(await journalsIn(stateDir)).toEqual([]);
  });

  test('that could not be filed is filed later, as it ended', async () => {
    const stateDir = await temporaryStateDir();
    const store = createMemoryStore();
    const journal = await openJournal(stateDir, 'orders', 'one');
    await journal.write(run);
    store.faults.away = true;
    await expect(journal.finish({ ...run, outcome: 'done' }, store)).rejects.toMatchObject({
      code: 'store-unreachable',
    });
    store.faults.away = false;
    expect(await recoverJournals(stateDir, 'orders', store)).toEqual([{ ...run, outcome: 'done' }]);
  });
});

test('a controller that dies in a run leaves its steps, and its successor files them once', async () => {
  const stateDir = await temporaryStateDir();
  const model = ModelWorld.create(['a', 'b', 'c']);
  await form(model, threeHosts, stateDir);
  const spec = modelSpec({ ...threeHosts, etcd: { 'heartbeat-interval': 150 } });
  const rehearsal = new ModelController(model.fork(), nextLease(model), { stateDir: await temporaryStateDir() });
  await rehearsal.pass(spec);
  const at = rehearsal.calls.names.findLastIndex((name) => name.includes(': start')) + 1;
  expect(at).toBeGreaterThan(0);
  const first = new ModelController(model, nextLease(model), { stateDir, fault: { at, type: 'crash' } });
  expect(await first.pass(spec)).toBe('died');
  expect(await journalsIn(stateDir)).toHaveLength(1);
  const second = new ModelController(model, nextLease(model), { stateDir });
  for (let count = 0; count < 3; count++) await second.pass(spec);
  const interrupted = (await listRuns(model.store, 100)).runs.filter(({ outcome }) => outcome === 'interrupted');
  expect(interrupted).toHaveLength(1);
  expect(interrupted[0]).toMatchObject({ epoch: first.lease.epoch });
  expect(interrupted[0]?.steps.map(({ outcome }) => outcome)).toContain('done');
  expect(await journalsIn(stateDir)).toEqual([]);
});
