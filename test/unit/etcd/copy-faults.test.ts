import { Buffer } from 'node:buffer';
import { afterEach, describe, expect, it } from 'vitest';
import type { CopyOptions } from '../../../src/etcd/copy/copy-keys.ts';
import { skipReason } from '../../support/binaries.ts';
import {
  type CuttableWay,
  contents,
  copy,
  cuttableWay,
  everything,
  openClients,
  put,
  type Side,
  startSide,
} from './copy-fixture.ts';

const timeout = 120_000;
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(): Promise<Side> {
  const side = await startSide('v36');
  cleanups.push(() => side.close());
  return side;
}

/** The same cluster, over a line that can be cut. */
async function overWay(side: Side): Promise<Pick<Side, 'etcd' | 'keys'> & { readonly way: CuttableWay }> {
  const way = await cuttableWay(side.member.clientUrl);
  const clients = openClients(side.cluster, [way.url]);
  cleanups.push(async () => {
    clients.etcd.close();
    clients.keys.close();
    await way.close();
  });
  return { ...clients, way };
}

async function fill(side: Side, count: number): Promise<void> {
  for (let index = 0; index < count; index += 50)
    await put(
      side.keys,
      ...Array.from({ length: 50 }, (_, step) => ({ key: `key-${count - index - step}`, value: `value-${index}` })),
    );
  // Each seventh is written a second time, and so has to be touched in the target.
  for (let index = 0; index < count; index += 7) await put(side.keys, { key: `key-${index + 1}`, value: 'again' });
}

describe.skipIf(skipReason('v36') !== undefined)('a copy is refused', () => {
  it(
    'before anything is written, when something speaks against it',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await put(source.keys, { key: 'a', value: '1' });
      await expect(copy(source, source)).rejects.toMatchObject({ code: 'same-cluster', kind: 'refused' });
      await expect(copy(source, target, { revision: 99 })).rejects.toMatchObject({ code: 'revision-in-future' });

      await target.cluster.etcdctl(target.member, 'put', 'mine', 'x');
      await expect(copy(source, target)).rejects.toMatchObject({ code: 'target-not-empty', kind: 'refused' });
      await expect(copy(source, target, { continues: true })).rejects.toMatchObject({ code: 'target-differs' });
      await target.cluster.etcdctl(target.member, 'del', 'mine');
      await target.keys.grant('5', 60);
      await expect(copy(source, target)).rejects.toMatchObject({ code: 'target-not-empty' });
      await target.cluster.etcdctl(target.member, 'lease', 'revoke', '5');

      await source.cluster.etcdctl(source.member, 'role', 'add', 'reader');
      await expect(copy(source, target)).rejects.toMatchObject({ code: 'auth-not-copied', kind: 'refused' });
      expect((await target.keys.head()).keyCount).toBe(0);

      const result = await copy(source, target, { withoutAuth: true });
      expect(result).toMatchObject({ keys: 1, leftAccounts: ['role reader'] });
    },
    timeout,
  );

  it(
    'where authentication is on and we are not root',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      const { cluster, member } = source;
      await cluster.etcdctl(member, 'user', 'add', 'root', '--new-user-password=secret');
      await cluster.etcdctl(member, 'user', 'grant-role', 'root', 'root');
      await cluster.etcdctl(member, 'auth', 'enable');
      await expect(copy(source, target)).rejects.toMatchObject({ code: 'permission-denied' });
    },
    timeout,
  );

  it(
    'when the source was compacted, and can begin again',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await fill(source, 500);
      const { revision } = await source.keys.head();
      await put(source.keys, { key: 'later' });
      let isCompacted = false;
      const compactOnce = async (): Promise<void> => {
        if (isCompacted) return;
        isCompacted = true;
        await source.cluster.etcdctl(source.member, 'compact', String(revision + 1));
      };
      const keys = {
        ...target.keys,
        write: async (transaction: Parameters<typeof target.keys.write>[0]) => {
          await compactOnce();
          return target.keys.write(transaction);
        },
      };
      await expect(copy(source, { ...target, keys }, { revision })).rejects.toMatchObject({
        code: 'source-compacted',
        kind: 'stalled',
      });
      const next = await start();
      expect(await copy(source, next)).toMatchObject({ keys: 501 });
    },
    timeout,
  );
});

describe.skipIf(skipReason('v36') !== undefined)('a copy goes on', () => {
  it(
    'when either side is cut off again and again',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await fill(source, 2000);
      const [from, to] = await Promise.all([overWay(source), overWay(target)]);
      const cuts = { reading: 0, writing: 0, comparing: 0 };
      let calls = 0;

      const result = await copy(from, to, {
        maxTxnOps: 16,
        onProgress: ({ phase }) => {
          calls += 1;
          // Requests are under way: the answers of some are lost though etcd did what they asked for.
          if (phase !== 'writing' || calls % 23 === 0) {
            cuts[phase] += 1;
            to.way.cut();
            from.way.cut(50);
          }
        },
      });

      expect(cuts.writing).toBeGreaterThan(3);
      expect(cuts.reading * cuts.comparing).toBeGreaterThan(0);
      expect(result.keys).toBe(2000);
      expect(contents(await everything(target.keys))).toEqual(contents(await everything(source.keys)));
    },
    timeout,
  );

  it(
    'after it was broken off, from where it was, in the same order',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await source.keys.grant('5', 3600);
      await fill(source, 1000);
      await put(source.keys, { key: 'leased', lease: '5' });
      const { revision } = await source.keys.head();
      const before = await everything(source.keys);
      let held = 0;
      let rounds = 0;
      for (const enough of [150, 600, 900]) {
        const stopping = new AbortController();
        await expect(
          copy(source, target, {
            revision,
            maxTxnOps: 16,
            continues: rounds > 0,
            signal: stopping.signal,
            onProgress: ({ phase, keys }) => {
              if (phase === 'writing' && keys + held >= enough) stopping.abort();
            },
          }),
        ).rejects.toThrow('abort');
        held = (await target.keys.head()).keyCount;
        expect(held).toBeGreaterThanOrEqual(enough);
        expect(held).toBeLessThan(1001);
        rounds += 1;
      }
      await put(source.keys, { key: 'key-1000', value: 'changed meanwhile' });
      await expect(copy(source, target)).rejects.toMatchObject({ code: 'target-not-empty' });
      await expect(copy(source, target, { continues: true })).rejects.toMatchObject({ code: 'target-differs' });

      const result = await copy(source, target, { revision, continues: true, maxTxnOps: 16 });

      expect(result).toMatchObject({ keys: 1001, revision });
      expect(contents(await everything(target.keys))).toEqual(contents(before));
      // A copy that is whole already is only compared.
      const again = await copy(source, target, { revision, continues: true });
      expect(again).toMatchObject({ keys: 1001, targetRevision: result.targetRevision });
    },
    timeout,
  );

  it(
    'without the keys of a lease that runs out in the target meanwhile',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await source.keys.grant('5', 3600);
      // Some of them are there when it happens, some are not, and some are to be touched after it.
      for (let index = 0; index < 400; index++)
        await put(source.keys, { key: `key-${index}`, ...(index % 3 === 0 ? { lease: '5' } : {}) });
      for (let index = 0; index < 400; index += 2)
        await put(source.keys, { key: `key-${index}`, value: 'again', ...(index % 3 === 0 ? { lease: '5' } : {}) });
      let isRevoked = false;
      const onProgress: CopyOptions['onProgress'] = ({ phase, keys }) => {
        if (phase === 'writing' && keys > 200) revoke();
      };
      let revoking: Promise<unknown> = Promise.resolve();
      const revoke = (): void => {
        if (isRevoked) return;
        isRevoked = true;
        revoking = target.cluster.etcdctl(target.member, 'lease', 'revoke', '5');
      };
      const keys = {
        ...target.keys,
        write: async (transaction: Parameters<typeof target.keys.write>[0]) => {
          await revoking;
          return target.keys.write(transaction);
        },
      };

      const result = await copy(source, { ...target, keys }, { maxTxnOps: 7, onProgress });

      expect(result).toMatchObject({ keys: 266, expired: { leases: 1, keys: 134 } });
      const unleased = (await everything(source.keys)).filter(({ lease }) => lease === '0');
      expect(contents(await everything(target.keys))).toEqual(contents(unleased));
    },
    timeout,
  );

  it(
    'never, when the target is not what was copied',
    async () => {
      const [source, target] = await Promise.all([start(), start()]);
      await fill(source, 300);
      let isMeddledWith = false;
      const keys = {
        ...target.keys,
        head: async () => {
          const head = await target.keys.head();
          if (head.keyCount === 0 || isMeddledWith) return head;
          // Between the last write and the comparison.
          isMeddledWith = true;
          await put(target.keys, { key: 'key-7', value: Buffer.from('other') }, { key: 'a foreign key' });
          return target.keys.head();
        },
      };
      const failure = await copy(source, { ...target, keys }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: 'copy-differs', kind: 'stalled' });
      expect(String(failure)).toContain('only the target has "a foreign key"');
      expect(String(failure)).toContain('value or lease differ at "key-7"');
    },
    timeout,
  );
});
