import { describe, expect, it } from 'vitest';
import type { BackupOrigin } from '../../../src/apply/backup-origin.ts';
import { type BackupOrder, takeBackupFrom } from '../../../src/apply/take-backup.ts';
import { listBackups } from '../../../src/backup/catalog.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Transfer } from '../../../src/base/transfer.ts';
import { createMemoryStore, type MemoryStore } from '../../support/memory-store.ts';
import { errorOf } from '../backup/streams.ts';
import { failure, members, type PaperEtcd, paperEtcd } from './paper-etcd.ts';

interface Stage {
  readonly etcd: PaperEtcd;
  readonly store: MemoryStore;
  readonly order: BackupOrder;
}

function stage(change: Partial<BackupOrder> = {}): Stage {
  const etcd = paperEtcd();
  const store = createMemoryStore();
  const { clusterId, revision } = etcd.state;
  const origin: BackupOrigin = { etcd, url: 'https://b:2379', source: 'b', clusterId, members, revision };
  const order: BackupOrder = {
    cluster: 'orders',
    origin,
    store,
    clock: systemClock,
    reason: 'on-demand',
    commit: null,
    runId: null,
    log: silentLogger,
    progress: () => undefined,
    ...change,
  };
  return { etcd, store, order };
}

const compacted = failure('revision-compacted', 'mvcc: required revision has been compacted');

describe('a backup', () => {
  it('records how many keys there were and what they hash to, all as that one member had it', async () => {
    const { etcd, store, order } = stage();
    const { name } = await takeBackupFrom(order);
    const [listed] = await listBackups(store);
    expect(listed?.name).toBe(name);
    expect(listed?.proof).toMatchObject({
      revision: 42,
      keyCount: 7,
      hash: 4_000_000_000,
      compactRevision: -1,
      source: 'b',
      members: [{ name: 'a' }, { name: 'b' }, { name: 'c' }],
    });
    expect(etcd.state.calls.toSorted()).toEqual(
      ['status', 'keyCount@42', 'hashKv@42', 'snapshot'].map((call) => `${call} https://b:2379`).toSorted(),
    );
  });

  it('hashes while the snapshot streams', async () => {
    const { etcd, store, order } = stage();
    let finishHash = (): void => undefined;
    etcd.state.hashing = new Promise((resolve) => {
      finishHash = resolve;
    });
    const archived = new Promise<void>((resolve) => {
      const open = store.open.bind(store);
      // Only what has been written whole is read back.
      Object.assign(store, {
        open: (key: string) => {
          resolve();
          return open(key);
        },
      });
    });
    const taking = takeBackupFrom(order);
    await archived;
    expect(await listBackups(store)).toEqual([]);
    finishHash();
    await taking;
    expect(await listBackups(store)).toHaveLength(1);
  });

  it('tells how far it has come, against the size of the database and then of the archive', async () => {
    const seen: Transfer[] = [];
    const { etcd, order } = stage({ progress: (transfer) => seen.push(transfer) });
    const { proof } = await takeBackupFrom(order);
    expect(seen[0]).toMatchObject({ label: 'writing', totalBytes: etcd.state.dbSizeBytes });
    expect(seen.at(-1)).toEqual({ label: 'reading back', doneBytes: proof?.sizeBytes, totalBytes: proof?.sizeBytes });
  });

  it('fails when the keys cannot be hashed, reads no further, and lists nothing', async () => {
    const { etcd, store, order } = stage();
    etcd.state.dbSizeBytes = 64 * 1024 ** 2;
    etcd.state.hashFaults = [failure('etcd-timeout', 'https://b:2379 gave no answer within 300s')];
    const error = await errorOf(takeBackupFrom(order));
    expect(error).toMatchObject({ code: 'backup-failed', kind: 'transient' });
    expect(error.summary).toContain('could not be hashed at revision 42');
    expect(error.summary).toContain('no answer within 300s');
    expect(error.remedy).toBeDefined();
    expect([...store.objects.keys()]).toEqual([]);
    expect(etcd.state.chunks).toBeLessThan(1000);
  });

  it('fails with the fault of the store when that comes first, whatever becomes of the hash', async () => {
    const { etcd, store, order } = stage();
    etcd.state.hashFaults = [failure('etcd-timeout', 'late')];
    let finishHash = (): void => undefined;
    etcd.state.hashing = new Promise((resolve) => {
      finishHash = resolve;
    });
    store.faults.freeBytes = 1000;
    expect((await errorOf(takeBackupFrom(order))).code).toBe('store-full');
    // A rejection that nobody handles would fail this file.
    finishHash();
    await etcd.state.hashing;
    expect([...store.objects.keys()]).toEqual([]);
  });

  it('is begun again when its revision is compacted away, at the revision of then', async () => {
    const { etcd, store, order } = stage();
    etcd.state.hashFaults = [compacted];
    Object.defineProperty(etcd.state, 'revision', {
      get: () => (etcd.state.calls.includes('hashKv@42 https://b:2379') ? 50 : 42),
    });
    const { proof } = await takeBackupFrom(order);
    expect(proof?.revision).toBe(50);
    expect(await listBackups(store)).toHaveLength(1);
  });

  it('is given up when that happens again and again', async () => {
    const { etcd, store, order } = stage();
    etcd.state.hashFaults = [compacted, compacted, compacted, compacted];
    expect((await errorOf(takeBackupFrom(order))).code).toBe('revision-compacted');
    expect(etcd.state.calls.filter((call) => call.startsWith('hashKv'))).toHaveLength(3);
    expect([...store.objects.keys()]).toEqual([]);
  });

  it('leaves nothing when it is told to stop in its middle', async () => {
    const stop = new AbortController();
    const { etcd, store, order } = stage({
      signal: stop.signal,
      progress: () => stop.abort(failure('stopped', 'enough')),
    });
    etcd.state.dbSizeBytes = 64 * 1024 ** 2;
    await expect(takeBackupFrom(order)).rejects.toMatchObject({ code: 'stopped' });
    expect([...store.objects.keys()]).toEqual([]);
    expect(etcd.state.cutOff).toBe(1);
  });
});
