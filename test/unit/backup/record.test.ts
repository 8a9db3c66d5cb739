import { describe, expect, it } from 'vitest';
import { markClusterCreated, readRecord, writeRecord } from '../../../src/backup/record.ts';
import type { RecordedRestore } from '../../../src/backup/store.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { emptyRecord, fullRecord } from './records.ts';
import { errorOf } from './streams.ts';

const restore: RecordedRestore = {
  type: 'restore',
  bootstrapId: 'again',
  token: 'orders-again-a1b2c3d4e5f6',
  initialCluster: 'a=https://10.0.0.11:2380',
  hosts: ['a'],
  backup: '2026-11-20T12:00:01Z-000000',
  version: '3.5.33',
  bumpRevision: 1_000_000,
  replaces: 'cdf818194e3a8c32',
  commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
  startedAtMs: 1_795_219_460_000,
};

describe('the record', () => {
  it('is null only when the store holds none', async () => {
    const store = createMemoryStore();
    expect(await readRecord(store, 'orders')).toBeNull();
    store.faults.away = true;
    expect((await errorOf(readRecord(store, 'orders'))).code).toBe('store-unreachable');
  });

  it('comes back as it was written, and each write names the one before', async () => {
    const store = createMemoryStore();
    const first = await writeRecord(store, emptyRecord, null);
    const second = await writeRecord(store, fullRecord, first.tag);
    expect(await readRecord(store, 'orders')).toEqual(second);
    expect(second.record).toEqual(fullRecord);
    expect((await errorOf(writeRecord(store, emptyRecord, first.tag))).code).toBe('store-conflict');
    expect((await errorOf(writeRecord(store, emptyRecord, null))).code).toBe('store-conflict');
    expect(await readRecord(store)).toEqual(second);
  });

  it.each([
    ['empty', ''],
    ['cut short', JSON.stringify(fullRecord).slice(0, 100)],
    ['null', 'null'],
    ['a list', '[]'],
    ['without a field', JSON.stringify({ ...fullRecord, bootstrapIds: undefined })],
    ['of another type', JSON.stringify({ ...fullRecord, lastRevision: '7' })],
    ['with an id that is none', JSON.stringify({ ...fullRecord, clusterId: 'XYZ' })],
    ['of a later format', JSON.stringify({ ...fullRecord, formatVersion: '2.0' })],
    ['with a field that would be lost', JSON.stringify({ ...fullRecord, later: 1 })],
    ['with an operation that is not known', JSON.stringify({ ...fullRecord, operation: { ...restore, type: 'move' } })],
    [
      'with a restore that lacks a field',
      JSON.stringify({ ...fullRecord, operation: { ...restore, token: undefined } }),
    ],
    ['with a restore that says more', JSON.stringify({ ...fullRecord, operation: { ...restore, discardData: null } })],
    ['with revisions that are lowered', JSON.stringify({ ...fullRecord, operation: { ...restore, bumpRevision: -1 } })],
    ['with replaced clusters that are none', JSON.stringify({ ...fullRecord, replaced: 'c0c0' })],
  ])('is never "none" when it is damaged: %s', async (_what, content) => {
    const store = createMemoryStore();
    await store.write('control/quorate.json', content);
    expect((await errorOf(readRecord(store, 'orders'))).code).toBe('record-invalid');
  });

  it.each([
    ['a restore', { ...fullRecord, clusterId: null, operation: restore }],
    ['a restore where nobody remembers a cluster', { ...fullRecord, operation: { ...restore, replaces: null } }],
    ['clusters that were replaced', { ...fullRecord, operation: null, replaced: ['c0c0', 'f0f0'] }],
  ])('keeps %s', async (_what, record) => {
    const store = createMemoryStore();
    await writeRecord(store, record, null);
    expect((await readRecord(store, 'orders'))?.record).toEqual(record);
  });

  it('of another cluster is refused', async () => {
    const store = createMemoryStore();
    await writeRecord(store, fullRecord, null);
    expect((await errorOf(readRecord(store, 'other'))).code).toBe('record-of-another-cluster');
  });

  it('is not written when it could not be read again', async () => {
    const store = createMemoryStore();
    expect((await errorOf(writeRecord(store, { ...fullRecord, lastRevision: -1 }, null))).code).toBe('record-invalid');
    expect(await store.list('')).toEqual([]);
  });
});

describe('markClusterCreated', () => {
  it('writes what etcd-manager reads, and keeps the first time of creation', async () => {
    const store = createMemoryStore();
    const created = { memberCount: 3, etcdVersion: '3.4.13', createdAtMs: 1_795_219_460_123 };
    await markClusterCreated(store, created);
    await markClusterCreated(store, { ...created, createdAtMs: 1_895_219_460_000 });
    expect((await store.read('control/etcd-cluster-spec'))?.content).toBe('{"memberCount":3,"etcdVersion":"3.4.13"}');
    expect((await store.read('control/etcd-cluster-created'))?.content).toBe('{"timestamp":1795219460123000000}');
  });
});
