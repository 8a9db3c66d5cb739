import { describe, expect, it } from 'vitest';
import { probeStore } from '../../../src/backup/probe-store.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { describeStoreContract } from './store-contract.ts';
import { errorOf, streamOf } from './streams.ts';

describeStoreContract('the memory store', async () => ({ store: createMemoryStore(), close: async () => undefined }));

describe('faults of the memory store', () => {
  it('fails as full, away and raced, and recovers', async () => {
    const store = createMemoryStore();
    store.faults.freeBytes = 3;
    await store.write('a', 'xx');
    expect((await errorOf(store.write('b', 'xx'))).code).toBe('store-full');
    expect((await errorOf(store.writeStream('c', streamOf(new Uint8Array(9), 1)))).code).toBe('store-full');
    store.faults.freeBytes = undefined;
    store.faults.away = true;
    expect((await errorOf(store.list(''))).code).toBe('store-unreachable');
    store.faults.away = false;
    store.faults.conflict = true;
    expect((await errorOf(store.write('b', 'x', { type: 'if-absent' }))).code).toBe('store-conflict');
    store.faults.conflict = false;
    expect((await store.list('')).map((object) => object.key)).toEqual(['a']);
  });
});

describe('probeStore', () => {
  it('finds out a store that ignores conditions', async () => {
    const honest = createMemoryStore();
    const careless: ObjectStore = { ...honest, write: (key, content) => honest.write(key, content) };
    expect((await errorOf(probeStore(careless))).code).toBe('store-unconditional');
    expect(await honest.list('')).toEqual([]);
  });
});
