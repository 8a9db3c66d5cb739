import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeStore } from '../../../src/backup/probe-store.ts';
import type { ObjectStore } from '../../../src/backup/store.ts';
import { collect, databaseOf, errorOf, streamOf } from './streams.ts';

export interface OpenedStore {
  readonly store: ObjectStore;
  close(): Promise<void>;
}

/** What every object store has to do; run once for each implementation. */
export function describeStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} as an object store`, () => {
    let opened: OpenedStore;
    let store: ObjectStore;

    beforeEach(async () => {
      opened = await open();
      store = opened.store;
    });
    afterEach(() => opened.close());

    it('is empty at first, and looking changes nothing', async () => {
      expect(await store.list('')).toEqual([]);
      expect(await store.read('control/quorate.json')).toBeUndefined();
      expect((await errorOf(store.open('a/b'))).code).toBe('object-not-found');
      await store.delete('a/b');
      expect(await store.removeUnfinishedUploads(Date.now() + 86_400_000)).toBe(0);
      expect(await store.list('')).toEqual([]);
    });

    it('takes nothing that is finished for an unfinished upload', async () => {
      await store.write('a', 'b');
      await store.writeStream('x/y', streamOf(new Uint8Array(10)));
      expect(await store.removeUnfinishedUploads(Date.now() + 86_400_000)).toBe(0);
      expect((await store.list('')).map(({ key }) => key)).toEqual(['a', 'x/y']);
    });

    it('gives back what was written, with a tag that tells contents apart', async () => {
      await store.write('control/a', 'größer\n');
      const first = await store.read('control/a');
      await store.write('control/a', 'other');
      const second = await store.read('control/a');
      expect(first?.content).toBe('größer\n');
      expect(second?.content).toBe('other');
      expect(second?.tag).not.toBe(first?.tag);
      expect((await store.read('control/a'))?.tag).toBe(second?.tag);
    });

    it('lists by prefix of the key, in string order, with sizes', async () => {
      for (const key of ['b/2', 'b/1', 'b-c', 'b/a/x', 'a', 'bb']) await store.write(key, key);
      expect(await store.list('')).toEqual(
        ['a', 'b-c', 'b/1', 'b/2', 'b/a/x', 'bb'].map((key) => ({ key, sizeBytes: key.length })),
      );
      const keys = async (prefix: string) => (await store.list(prefix)).map((object) => object.key);
      expect(await keys('b')).toEqual(['b-c', 'b/1', 'b/2', 'b/a/x', 'bb']);
      expect(await keys('b/')).toEqual(['b/1', 'b/2', 'b/a/x']);
      expect(await keys('b/a')).toEqual(['b/a/x']);
      expect(await keys('b/a/x')).toEqual(['b/a/x']);
      expect(await keys('c/')).toEqual([]);
    });

    it('writes only the first if-absent', async () => {
      await store.write('k', 'one', { type: 'if-absent' });
      expect((await errorOf(store.write('k', 'two', { type: 'if-absent' }))).code).toBe('store-conflict');
      expect((await store.read('k'))?.content).toBe('one');
    });

    it('writes if-tag only over what was read', async () => {
      expect((await errorOf(store.write('k', 'x', { type: 'if-tag', tag: 'none' }))).code).toBe('store-conflict');
      expect(await store.read('k')).toBeUndefined();
      await store.write('k', 'one');
      const tag = (await store.read('k'))?.tag ?? '';
      await store.write('k', 'two', { type: 'if-tag', tag });
      expect((await errorOf(store.write('k', 'three', { type: 'if-tag', tag }))).code).toBe('store-conflict');
      expect((await store.read('k'))?.content).toBe('two');
    });

    it('lets one of many concurrent conditional writers win', async () => {
      const writers = Array.from({ length: 8 }, (_one, index) => index);
      const race = async (condition: Parameters<ObjectStore['write']>[2]) => {
        const results = await Promise.allSettled(writers.map((writer) => store.write('k', `w${writer}`, condition)));
        const winners = writers.filter((writer) => results[writer]?.status === 'fulfilled');
        expect(winners).toHaveLength(1);
        expect((await store.read('k'))?.content).toBe(`w${winners[0] ?? '?'}`);
      };
      await race({ type: 'if-absent' });
      await store.write('k', 'begin');
      await race({ type: 'if-tag', tag: (await store.read('k'))?.tag ?? '' });
    });

    it('streams a large object, in and out', async () => {
      const bytes = databaseOf(3 * 1024 * 1024 + 17);
      expect(await store.writeStream('x/large', streamOf(bytes, 100_000))).toEqual({ sizeBytes: bytes.length });
      expect((await collect(await store.open('x/large'))).equals(bytes)).toBe(true);
      expect(await store.list('x/')).toEqual([{ key: 'x/large', sizeBytes: bytes.length }]);
      expect((await errorOf(store.read('x/large'))).code).toBe('store-object-too-large');
    });

    it('lists nothing of a stream that fails, and lets the source end', async () => {
      let ended = false;
      async function* failing(): AsyncGenerator<Uint8Array> {
        try {
          yield new Uint8Array(100_000);
          throw new TypeError('the source broke');
        } finally {
          ended = true;
        }
      }
      await expect(store.writeStream('x/y', failing())).rejects.toThrow('the source broke');
      expect(ended).toBe(true);
      expect(await store.list('')).toEqual([]);
    });

    it('never streams over an object', async () => {
      await store.write('x/y', 'first');
      expect((await errorOf(store.writeStream('x/y', streamOf(new Uint8Array(10))))).code).toBe('store-conflict');
      async function* overtaken(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(10);
        await store.write('x/z', 'overtook');
      }
      expect((await errorOf(store.writeStream('x/z', overtaken()))).code).toBe('store-conflict');
      expect((await store.read('x/y'))?.content).toBe('first');
      expect((await store.read('x/z'))?.content).toBe('overtook');
    });

    it('deletes one object and no other, and again without complaint', async () => {
      await store.write('a/b/c', '1');
      await store.write('a/d', '2');
      await store.delete('a/b/c');
      await store.delete('a/b/c');
      expect((await store.list('')).map((object) => object.key)).toEqual(['a/d']);
      await store.write('a/b/c', '3', { type: 'if-absent' });
      expect((await store.read('a/b/c'))?.content).toBe('3');
    });

    it.each([
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '..',
      'a/../b',
      './a',
      'a/.b',
      '.quorate-store',
      'a\0b',
      'a b',
      'ä',
      '-a',
      'x'.repeat(700),
    ])('refuses the key %j', async (key) => {
      const acts = [
        () => store.read(key),
        () => store.open(key),
        () => store.write(key, 'x'),
        () => store.writeStream(key, streamOf(new Uint8Array(1))),
        () => store.delete(key),
      ];
      for (const act of acts) expect((await errorOf(act())).code).toBe('store-key-invalid');
    });

    it.each(['/', '../', 'a/../', '.quorate-work/'])('refuses the prefix %j', async (prefix) => {
      expect((await errorOf(store.list(prefix))).code).toBe('store-key-invalid');
    });

    it('refuses to write more than a small object whole', async () => {
      expect((await errorOf(store.write('k', 'x'.repeat(1024 * 1024 + 1)))).code).toBe('store-object-too-large');
      await store.write('k', 'x'.repeat(1024 * 1024));
      expect((await store.read('k'))?.content.length).toBe(1024 * 1024);
    });

    it('passes the probe for conditional writes, which leaves nothing', async () => {
      await probeStore(store);
      expect(await store.list('')).toEqual([]);
    });
  });
}
