import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectDataDir } from '../../../src/agent/data-dir.ts';
import { parseWalHead } from '../../../src/agent/wal.ts';

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return bytes;
}

/** A frame as etcd's encoder writes it: padded to eight bytes, the padding told in the top byte. */
function frame(type: bigint, data: readonly number[]): Buffer {
  const record = [0x08, ...varint(type), 0x10, ...varint(0xdeadbeefn), 0x1a, ...varint(BigInt(data.length)), ...data];
  const padding = (8 - (record.length % 8)) % 8;
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(record.length) | (padding === 0 ? 0n : BigInt(0x80 | padding) << 56n));
  return Buffer.concat([head, Buffer.from(record), Buffer.alloc(padding)]);
}

function segment(nodeId: bigint, clusterId: bigint): Buffer {
  const metadata = frame(1n, [0x08, ...varint(nodeId), 0x10, ...varint(clusterId)]);
  return Buffer.concat([frame(4n, []), metadata, frame(5n, []), Buffer.alloc(4096)]);
}

const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });

describe('the head of a write-ahead log', () => {
  it('tells every pair of ids as etcdctl prints them', () => {
    fc.assert(
      fc.property(id, id, (memberId, clusterId) => {
        expect(parseWalHead(segment(memberId, clusterId))).toEqual({
          memberId: memberId.toString(16),
          clusterId: clusterId.toString(16),
        });
      }),
    );
  });

  it('gives no ids when it is cut off, and none out of other bytes', () => {
    const whole = segment(0x8e9e05c52164694dn, 0xcdf818194e3a8c32n);
    for (let length = 0; length < 16 + 8; length++) expect(parseWalHead(whole.subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const found = parseWalHead(bytes);
        expect(found === undefined || /^[0-9a-f]{1,16}$/.test(found.memberId)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a data dir', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-data-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('is empty when it is missing or holds nothing', async () => {
    const empty = { isPresent: false, isInitialised: false, identity: undefined };
    expect(await inspectDataDir(join(folder, 'missing'))).toEqual(empty);
    expect(await inspectDataDir(folder)).toEqual(empty);
  });

  it('counts as data when it holds anything else, or is no folder', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine');
    const foreign = { isPresent: true, isInitialised: false, identity: undefined };
    expect(await inspectDataDir(folder)).toEqual(foreign);
    expect(await inspectDataDir(join(folder, 'notes.txt'))).toEqual(foreign);
  });

  it('is known by its log, also by an older segment when the newest is damaged', async () => {
    const wal = join(folder, 'member', 'wal');
    await mkdir(wal, { recursive: true });
    await writeFile(join(wal, '0.tmp'), '');
    await writeFile(join(wal, '0000000000000000-0000000000000000.wal'), segment(0xan, 0xbn));
    await writeFile(join(wal, '0000000000000001-0000000000000009.wal'), 'damaged');
    expect(await inspectDataDir(folder)).toEqual({
      isPresent: true,
      isInitialised: true,
      identity: { memberId: 'a', clusterId: 'b' },
    });
  });
});
