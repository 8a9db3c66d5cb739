import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { type Minor, skipReason } from '../../support/binaries.ts';
import { contents, copy, everything, put, type Side, startSide } from './copy-fixture.ts';

const timeout = 120_000;
const sides: Side[] = [];

async function start(minor: Minor, flags?: Readonly<Record<string, string>>): Promise<Side> {
  const side = await startSide(minor, flags);
  sides.push(side);
  return side;
}

afterEach(async () => {
  await Promise.all(sides.splice(0).map((side) => side.close()));
});

const paths: readonly (readonly [Minor, Minor])[] = [
  ['v36', 'v34'],
  ['v34', 'v36'],
  ['v35', 'v35'],
];

describe.each(paths)('a copy from %s to %s', (from, to) => {
  it.skipIf(skipReason(from) !== undefined || skipReason(to) !== undefined)(
    'holds every byte of keys and values, and the leases',
    async () => {
      const [source, target] = await Promise.all([start(from), start(to)]);
      const allBytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await source.keys.grant('7587870000000000001', 3600);
      await source.keys.grant('17', 900);
      await put(source.keys, { key: allBytes, value: allBytes }, { key: Buffer.from([0]), value: 'the smallest' });
      await put(source.keys, { key: Buffer.from([0xff, 0xff]) }, { key: Buffer.from([0xff, 0xfe, 0]), value: '\0' });
      await put(source.keys, { key: 'leased', value: 'x', lease: '7587870000000000001' });
      for (let index = 0; index < 6; index++)
        await put(source.keys, { key: `large-${index}`, value: Buffer.alloc(1024 ** 2, index + 1) });
      await put(source.keys, { key: 'written often', value: 'once' });
      await put(source.keys, { key: 'written often', value: 'twice', lease: '17' });

      const result = await copy(source, target);

      const [before, after] = [await everything(source.keys), await everything(target.keys)];
      expect(before).toHaveLength(12);
      expect(contents(after)).toEqual(contents(before));
      expect(result).toMatchObject({ keys: 12, leases: { granted: 2, gone: 0 }, expired: { leases: 0, keys: 0 } });
      expect(result.sha256).toBe(sha256(before));
      expect((await target.keys.leases()).toSorted()).toEqual(['17', '7587870000000000001']);
      const left = (await target.keys.remainingSeconds('7587870000000000001')) ?? 0;
      expect(left).toBeLessThanOrEqual(3600);
      expect(left).toBeGreaterThan(3600 - 120);
    },
    timeout,
  );
});

function sha256(records: Awaited<ReturnType<typeof everything>>): string {
  const hash = createHash('sha256');
  for (const { key, value, lease } of records) {
    const head = Buffer.alloc(16);
    head.writeUInt32BE(key.length, 0);
    head.writeUInt32BE(value.length, 4);
    head.writeBigInt64BE(BigInt(lease), 8);
    hash.update(head).update(key).update(value);
  }
  return hash.digest('hex');
}

describe.skipIf(skipReason('v36') !== undefined)('a copy', () => {
  it(
    'lets leases run out in the target, with the time that they had left',
    async () => {
      const [source, target] = await Promise.all([start('v36'), start('v36')]);
      await source.keys.grant('5', 6);
      await source.keys.grant('6', 3600);
      await put(source.keys, { key: 'short', lease: '5' }, { key: 'long', lease: '6' });
      const grantedMs = systemClock.monotonic();

      const result = await copy(source, target);
      // So that the source cannot be the reason.
      await source.member.kill('SIGKILL');

      expect(result).toMatchObject({ keys: 2, leases: { granted: 2 } });
      const gone = await waitUntil(systemClock, { timeoutMs: 30_000, intervalMs: 50 }, async () =>
        (await everything(target.keys)).length === 1 ? true : undefined,
      );
      expect(gone.seen).toBe(true);
      // etcd never ends a lease early; the copy asked for whole seconds that were left, which is one less at the most.
      expect(systemClock.monotonic() - grantedMs).toBeGreaterThan(4000);
      expect((await everything(target.keys)).map(({ key }) => key.toString())).toEqual(['long']);
    },
    timeout,
  );

  it(
    'leaves out keys whose lease is gone, and says how many',
    async () => {
      const [source, target] = await Promise.all([start('v36'), start('v36')]);
      await source.keys.grant('5', 2);
      await put(source.keys, { key: 'a', lease: '5' }, { key: 'b' }, { key: 'c', lease: '5' });
      const { revision } = await source.keys.head();
      await waitUntil(systemClock, { timeoutMs: 30_000, intervalMs: 50 }, async () =>
        (await source.keys.leases()).length === 0 ? true : undefined,
      );

      const result = await copy(source, target, { revision });

      expect(result).toMatchObject({ keys: 1, revision, expired: { leases: 1, keys: 2 } });
      expect((await everything(target.keys)).map(({ key }) => key.toString())).toEqual(['b']);
    },
    timeout,
  );

  it(
    'keeps the order of creation and of the last write, in one window of memory and in many',
    async () => {
      const source = await start('v36');
      // Neither in the order of keys, nor of creation: keys go down, and every third is written again from the middle on.
      const count = 900;
      for (let index = 0; index < count; index += 3)
        await put(
          source.keys,
          ...[0, 1, 2].map((step) => ({ key: nameOf(count - index - step), value: Buffer.alloc(400, index) })),
        );
      for (let index = count / 2; index < count; index += 3)
        await put(source.keys, { key: nameOf(index), value: 'again' });
      for (let index = 0; index < count / 2; index += 7)
        await put(source.keys, { key: nameOf(index + 1), value: 'too' });
      const before = await everything(source.keys);

      for (const memoryBytes of [undefined, 64 * 1024]) {
        const target = await start('v36');
        const result = await copy(source, target, { maxTxnOps: 20, memoryBytes });
        const after = await everything(target.keys);

        expect(result.keys).toBe(count);
        expect(contents(after)).toEqual(contents(before));
        expect(misplaced(before, after, 'createRevision')).toBe(0);
        expect(misplaced(before, after, 'modRevision')).toBe(0);
        // It would be no test if all of them stood in one transaction.
        expect(new Set(after.map(({ modRevision }) => modRevision)).size).toBeGreaterThan(count / 20);
      }
      const exact = await start('v36');
      await copy(source, exact, { maxTxnOps: 1 });
      const order = (records: typeof before): readonly string[] =>
        records.toSorted((a, b) => a.modRevision - b.modRevision).map(({ key }) => key.toString());
      // Keys of one transaction of the source share a revision there: those come in the order of keys, here as there.
      expect(order(await everything(exact.keys))).toEqual(order(before));
    },
    timeout,
  );

  it(
    'is the state of one revision, whatever is written meanwhile',
    async () => {
      const [source, target] = await Promise.all([start('v36'), start('v36')]);
      for (let index = 0; index < 2000; index += 100)
        await put(
          source.keys,
          ...Array.from({ length: 100 }, (_, step) => ({ key: nameOf(index + step), value: `${index}` })),
        );
      let isOver = false;
      let written = 0;
      const writing = (async () => {
        for (; !isOver; written++) await put(source.keys, { key: nameOf(written % 3000), value: `later ${written}` });
      })();
      const begun = await waitUntil(systemClock, { timeoutMs: 30_000, intervalMs: 5 }, async () =>
        written > 20 ? true : undefined,
      );
      expect(begun.seen).toBe(true);

      const result = await copy(source, target, { maxTxnOps: 10 });
      const writtenMeanwhile = (await source.keys.head()).revision - result.revision;
      isOver = true;
      await writing;

      expect(writtenMeanwhile).toBeGreaterThan(10);
      expect(contents(await everything(target.keys))).toEqual(contents(await everything(source.keys, result.revision)));
    },
    timeout,
  );

  it(
    'takes 20,000 keys, and more of them at a time where the target allows it',
    async () => {
      const [source, target] = await Promise.all([start('v36'), start('v36', { 'max-txn-ops': '1024' })]);
      const count = 20_000;
      for (let index = 0; index < count; index += 100)
        await put(
          source.keys,
          ...Array.from({ length: 100 }, (_, step) => ({ key: nameOf(index + step), value: 'v' })),
        );
      const seen: string[] = [];

      const result = await copy(source, target, {
        maxTxnOps: 1024,
        onProgress: ({ phase, keys, totalKeys }) => seen.push(`${phase} ${keys}/${totalKeys}`),
      });

      expect(result.keys).toBe(count);
      expect((await target.keys.head()).keyCount).toBe(count);
      for (const phase of ['reading', 'writing', 'comparing']) expect(seen).toContain(`${phase} ${count}/${count}`);
    },
    timeout,
  );
});

const nameOf = (index: number): string => `/registry/things/${String(index).padStart(6, '0')}`;

type Records = Awaited<ReturnType<typeof everything>>;

/** Pairs of keys that stand the other way round when the target is sorted by that revision. */
function misplaced(before: Records, after: Records, by: 'createRevision' | 'modRevision'): number {
  const target = new Map(after.map((record) => [record.key.toString('hex'), record[by]]));
  const inOrder = before.toSorted((a, b) => a[by] - b[by]).map(({ key }) => target.get(key.toString('hex')) ?? 0);
  return inOrder.filter((revision, index) => revision < (inOrder[index - 1] ?? 0)).length;
}
