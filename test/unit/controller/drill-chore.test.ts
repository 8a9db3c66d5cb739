import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { listDrills, writeDrill } from '../../../src/backup/drill-results.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import type { Chore } from '../../../src/controller/upkeep/chore.ts';
import { createDrillChore } from '../../../src/controller/upkeep/drill-chore.ts';
import type { Sight } from '../../../src/observe/sight.ts';
import type { BackupSpec } from '../../../src/spec/cluster-spec.ts';
import { skipReason } from '../../support/binaries.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { createDrillFixture, type DrillFixture } from '../backup/drill-fixture.ts';
import { testSpec } from '../etcd/etcd-fixture.ts';

const dayMs = 86_400_000;
const inTime = { timeout: 60_000 };
const reason = skipReason('v36');

/** Everything but the store and the clock would be a mistake to use. */
function sightOf(store: ObjectStore, clock: Clock): Sight {
  const unexpected = (): never => {
    throw new Error('a drill needs no cluster');
  };
  const keystore = createMemoryKeystore({ clock });
  const probe: Sight['probe'] = { health: unexpected };
  return { clock, store, catalog: new BackupCatalog(store), keystore, probe, agent: unexpected, etcd: unexpected };
}

describe.skipIf(reason !== undefined)(`the chore of drills (${reason ?? 'on real etcd'})`, () => {
  let fixture: DrillFixture;
  const logged: (readonly [string, object])[] = [];
  const log: Logger = {
    ...silentLogger,
    info: (fields) => void logged.push(['info', fields]),
    warn: (fields) => void logged.push(['warn', fields]),
    error: (fields) => void logged.push(['error', fields]),
  };
  beforeAll(async () => {
    fixture = await createDrillFixture('v36');
  }, 60_000);
  afterAll(() => fixture.close());
  beforeEach(async () => {
    logged.length = 0;
    for (const { key } of await fixture.store.list('drills/')) await fixture.store.delete(key);
  });

  function run(chore: Chore, drill: BackupSpec['drill'], store = fixture.store, name = 'orders'): Promise<number> {
    const spec = testSpec(fixture.binary.version);
    return chore.run({
      spec: { ...spec, name, backup: { ...spec.backup, drill } },
      commit: 'c'.repeat(40),
      sight: sightOf(store, systemClock),
      stateDir: join(fixture.folder, 'state'),
      log,
      signal: new AbortController().signal,
    });
  }

  it('does nothing where none is declared, and waits where there is no verified backup', inTime, async () => {
    const chore = createDrillChore(fixture);
    expect(await run(chore, 'never')).toBe(Number.POSITIVE_INFINITY);
    const empty = createMemoryStore();
    expect(await run(chore, 'daily', empty)).toBeGreaterThan(0);
    expect(await empty.list('')).toEqual([]);
  });

  it('drills at once, then once a day, whichever process asks; a failure is an error in the log', inTime, async () => {
    const pauseMs = await run(createDrillChore(fixture), 'daily');
    expect(pauseMs).toBeGreaterThan(0);
    expect(pauseMs).toBeLessThanOrEqual(dayMs);
    expect(await listDrills(fixture.store)).toMatchObject([{ outcome: 'passed', backup: fixture.backup.name }]);
    // A controller that has just started knows it from the store.
    await run(createDrillChore(fixture), 'daily');
    expect(await listDrills(fixture.store)).toHaveLength(1);
    expect(logged.map(([level]) => level)).toEqual(['info']);

    expect(await readdir(join(fixture.folder, 'state', 'drills'))).toEqual(['.lock']);
  });

  it('drills again when the last one is too old, and tells of a failure as an error', inTime, async () => {
    await run(createDrillChore(fixture), 'daily');
    const [last] = await listDrills(fixture.store);
    if (last === undefined) throw new Error('there was no drill');
    const { key = '' } = (await fixture.store.list('drills/'))[0] ?? {};
    await fixture.store.delete(key);
    await writeDrill(fixture.store, {
      ...last,
      startedAtMs: last.startedAtMs - dayMs,
      endedAtMs: last.endedAtMs - dayMs,
    });
    await fixture.forge({ keyCount: 99 });
    onTestFinished(async () => {
      await fixture.forge({ keyCount: fixture.keyCount - 1 });
    });
    await run(createDrillChore(fixture), 'daily');
    expect(await listDrills(fixture.store)).toMatchObject([{ outcome: 'failed' }, { outcome: 'passed' }]);
    const [level, fields] = logged.at(-1) ?? [];
    expect(level).toBe('error');
    expect(JSON.stringify(fields)).toContain('and had 99');
  });

  it('keeps a result that the store did not take, and does not drill again for it', inTime, async () => {
    const { store } = fixture;
    const full: ObjectStore = {
      url: store.url,
      list: (prefix) => store.list(prefix),
      read: (key) => store.read(key),
      open: (key) => store.open(key),
      write: () => Promise.reject(new Error('the store is full')),
      writeStream: (key, content) => store.writeStream(key, content),
      delete: (key) => store.delete(key),
      removeUnfinishedUploads: (beforeMs) => store.removeUnfinishedUploads(beforeMs),
    };
    const chore = createDrillChore(fixture);
    await expect(run(chore, 'daily', full)).rejects.toThrow('the store is full');
    const told = logged.length;
    await expect(run(chore, 'daily', full)).rejects.toThrow('the store is full');
    expect(logged).toHaveLength(told);
    expect(await run(chore, 'daily')).toBeGreaterThan(0);
    expect(logged).toHaveLength(told);
    expect(await listDrills(fixture.store)).toHaveLength(1);
  });

  it('drills one cluster at a time', inTime, async () => {
    const chore = createDrillChore(fixture);
    const pauses = await Promise.all([run(chore, 'daily'), run(chore, 'daily', fixture.store, 'other')]);
    expect(pauses).toContain(60_000);
    expect(await listDrills(fixture.store)).toHaveLength(1);
  });
});
