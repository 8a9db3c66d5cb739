import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotCheck } from '../../../src/backup/snapshot-check.ts';
import { databaseOf, snapshotOf } from './streams.ts';

function check(bytes: Uint8Array, cuts: readonly number[] = []) {
  const checking = new SnapshotCheck();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  let start = 0;
  for (const end of ends) {
    // A copy that is spoilt afterwards: the check may not hold on to what it was given.
    const chunk = Uint8Array.from(bytes.subarray(start, end));
    checking.update(chunk);
    chunk.fill(0);
    start = end;
  }
  return checking.finish();
}

const corrupt: unknown = expect.objectContaining({ code: 'snapshot-corrupt' });
const sound = snapshotOf(databaseOf(2048));

describe('SnapshotCheck', () => {
  it('accepts a whole snapshot however it is cut', () => {
    const expected = {
      sizeBytes: 2080,
      dbSizeBytes: 2048,
      dbSha256: createHash('sha256').update(databaseOf(2048)).digest('hex'),
    };
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), (cuts) => {
        expect(check(sound, cuts)).toEqual(expected);
      }),
    );
  });

  it('refuses any altered byte', () => {
    fc.assert(
      fc.property(fc.nat({ max: sound.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Uint8Array.from(sound);
        altered[at] = (altered[at] ?? 0) ^ flip;
        expect(() => check(altered)).toThrow(corrupt);
      }),
    );
  });

  it('refuses a snapshot that ends anywhere before its end', () => {
    for (let length = 0; length < sound.length; length++)
      expect(() => check(sound.subarray(0, length))).toThrow(corrupt);
  });

  it('refuses a database without a hash, bytes after it, and a hash of nothing', () => {
    expect(() => check(databaseOf(2048))).toThrow(corrupt);
    expect(() => check(Buffer.concat([sound, new Uint8Array(512)]))).toThrow(corrupt);
    expect(() => check(snapshotOf(new Uint8Array(0)))).toThrow(corrupt);
    expect(() => check(snapshotOf(databaseOf(2049)))).toThrow(corrupt);
  });
});
