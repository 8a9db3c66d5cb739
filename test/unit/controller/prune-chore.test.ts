import { beforeEach, describe, expect, it } from 'vitest';
import { BackupCatalog } from '../../../src/backup/catalog.ts';
import { writeRecord } from '../../../src/backup/record.ts';
import type { Clock } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import { pruneChore } from '../../../src/controller/upkeep/prune-chore.ts';
import type { Sight } from '../../../src/observe/sight.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { fullRecord } from '../backup/records.ts';
import { errorOf } from '../backup/streams.ts';
import { testSpec } from '../etcd/etcd-fixture.ts';

const hourMs = 3_600_000;
const now = Date.UTC(2026, 10, 20, 15);
const clock: Clock = { ...systemClock, now: () => now };
const names = ['2026-11-01T00:00:00Z-000001', '2026-11-02T00:00:00Z-000001', '2026-11-03T00:00:00Z-000001'];
const base = testSpec('3.5.33');
const keep = { last: 1, hourly: 0, daily: 0, weekly: 0 };
const keeping: ClusterSpec = { ...base, backup: { ...base.backup, keep } };

let store: MemoryStore;
let logged: object[];

beforeEach(async () => {
  store = createMemoryStore();
  logged = [];
  for (const name of names) {
    await store.write(`${name}/_etcd_backup.meta`, '{"etcd_version": "3.4.13"}');
    await store.write(`${name}/etcd.backup.gz`, 'whole');
  }
});

/** Everything but the store and the clock would be a mistake to use. */
function sightOf(): Sight {
  const unexpected = (): never => {
    throw new Error('retention needs no cluster');
  };
  const probe: Sight['probe'] = { health: unexpected };
  const keystore = createMemoryKeystore({ clock, seed: 'one' });
  return { clock, store, catalog: new BackupCatalog(store), keystore, probe, agent: unexpected, etcd: unexpected };
}

const log: Logger = { ...silentLogger, info: (fields, message) => void logged.push({ ...fields, message }) };
const run = (spec: ClusterSpec): Promise<number> =>
  pruneChore.run({
    spec,
    commit: 'a',
    sight: sightOf(),
    stateDir: '/nowhere',
    log,
    signal: new AbortController().signal,
  });
const left = async (): Promise<readonly string[]> =>
  (await new BackupCatalog(store).list()).backups.map(({ name }) => name).toReversed();

describe('the chore of retention', () => {
  it('deletes what backup.keep does not ask for, says why, and wants to be asked again in an hour', async () => {
    await writeRecord(store, fullRecord, null);
    expect(await run(keeping)).toBe(hourMs);
    expect(await left()).toEqual(names.slice(2));
    const reasons = ['beyond what `keep` asks for', 'has no proof: another program wrote it'];
    expect(logged).toEqual(names.slice(0, 2).map((backup) => ({ backup, reasons, message: 'deleted a backup' })));
    logged = [];
    expect(await run(keeping)).toBe(hourMs);
    expect(logged).toEqual([]);
  });

  it('does nothing without backup.keep', async () => {
    await writeRecord(store, fullRecord, null);
    expect(await run(base)).toBe(hourMs);
    expect(await left()).toEqual(names);
  });

  it('does nothing before the cluster has a record: the history of another program is left alone', async () => {
    expect(await run(keeping)).toBe(hourMs);
    expect(await left()).toEqual(names);
  });

  it('never deletes the backup that the spec restores', async () => {
    await writeRecord(store, fullRecord, null);
    await run({ ...keeping, bootstrap: { id: 'again', from: { backup: names[0] ?? '' } } });
    expect(await left()).toEqual([names[0], names[2]]);
  });

  it('deletes nothing when the record cannot be read, and fails', async () => {
    await store.write('control/quorate.json', '{}');
    expect((await errorOf(run(keeping))).code).toBe('record-invalid');
    expect(await left()).toEqual(names);
  });

  it('fails when something could not be deleted', async () => {
    await writeRecord(store, fullRecord, null);
    const remove = (key: string): Promise<void> => original.delete(key);
    const original = { ...store };
    Object.assign(store, {
      delete: async (key: string) => {
        if (key === `${names[0] ?? ''}/_etcd_backup.meta`) throw new Error('denied');
        await remove(key);
      },
    });
    const error = await errorOf(run(keeping));
    expect([error.code, error.kind]).toEqual(['prune-incomplete', 'transient']);
    expect(error.summary).toBe(
      `1 could not be deleted, 1 were, 0 were not tried; the first: ${names[0] ?? ''}: denied`,
    );
    expect(await left()).toEqual([names[0], names[2]]);
  });
});
