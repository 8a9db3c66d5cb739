import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';

/** Ids as etcdctl prints them: hexadecimal, lower case, no leading zeros. */
export interface WalIdentity {
  readonly clusterId: string;
  readonly memberId: string;
}

/** The metadata is the second record of every segment; a page would do, this leaves room. */
const headBytes = 16 * 1024;
/** CRC, metadata, snapshot: the record sought stands within the first few. */
const maxRecords = 8;
/** Segments are purged while we look; three tries are enough to meet one that stays. */
const maxSegments = 3;
const segmentName = /^[0-9a-f]{16}-[0-9a-f]{16}\.wal$/;
const metadataRecord = 1n;

/** Write-ahead log segments of a data dir, oldest first; empty when the member has never been initialised. */
export async function walSegments(dataDir: string): Promise<readonly string[]> {
  const folder = join(dataDir, 'member', 'wal');
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => segmentName.test(name))
      .toSorted()
      .map((name) => join(folder, name));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Ids that etcd wrote when it initialised the data dir; undefined when no segment tells them. */
export async function readWalIdentity(dataDir: string): Promise<WalIdentity | undefined> {
  const segments = await walSegments(dataDir);
  for (const segment of segments.slice(-maxSegments).toReversed()) {
    const identity = parseWalHead(await readHead(segment));
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/**
 * Finds the metadata in the first bytes of a segment. A frame is 8 bytes little-endian, whose low 56 bits
 * are the record's length and whose top byte, when negative, holds the padding in its low 3 bits
 * (etcd: server/storage/wal/encoder.go); the record is a protobuf walpb.Record.
 */
export function parseWalHead(head: Uint8Array): WalIdentity | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let offset = 0;
  for (let count = 0; count < maxRecords && offset + 8 <= head.byteLength; count++) {
    const field = view.getBigUint64(offset, true);
    const length = Number(field & 0xff_ffff_ffff_ffffn);
    const top = Number(field >> 56n);
    const padding = top >= 0x80 ? top & 0x7 : 0;
    offset += 8;
    if (length === 0 || offset + length > head.byteLength) return undefined;
    const record = decodeMessage(head.subarray(offset, offset + length));
    if (record === undefined) return undefined;
    const data = record.bytes.get(3);
    if (record.varints.get(1) === metadataRecord && data !== undefined) return parseMetadata(data);
    offset += length + padding;
  }
  return undefined;
}

function parseMetadata(data: Uint8Array): WalIdentity | undefined {
  const metadata = decodeMessage(data);
  const memberId = metadata?.varints.get(1);
  const clusterId = metadata?.varints.get(2);
  if (memberId === undefined || clusterId === undefined) return undefined;
  return { clusterId: clusterId.toString(16), memberId: memberId.toString(16) };
}

interface DecodedMessage {
  readonly varints: ReadonlyMap<number, bigint>;
  readonly bytes: ReadonlyMap<number, Uint8Array>;
}

/** The two wire types that these messages use; undefined for anything else, which is not a record then. */
function decodeMessage(message: Uint8Array): DecodedMessage | undefined {
  const varints = new Map<number, bigint>();
  const bytes = new Map<number, Uint8Array>();
  let offset = 0;
  while (offset < message.byteLength) {
    const tag = readVarint(message, offset);
    if (tag === undefined) return undefined;
    const value = readVarint(message, tag.next);
    if (value === undefined) return undefined;
    const field = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    offset = value.next;
    if (wireType === 0) {
      varints.set(field, value.value);
    } else if (wireType === 2) {
      const length = Number(value.value);
      if (offset + length > message.byteLength) return undefined;
      bytes.set(field, message.subarray(offset, offset + length));
      offset += length;
    } else {
      return undefined;
    }
  }
  return { varints, bytes };
}

function readVarint(message: Uint8Array, start: number): { value: bigint; next: number } | undefined {
  let value = 0n;
  // 64 bits fit in ten groups of seven.
  for (let index = 0; index < 10; index++) {
    const byte = message[start + index];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), next: start + index + 1 };
  }
  return undefined;
}

async function readHead(path: string): Promise<Uint8Array> {
  try {
    const handle = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isAbsent(error)) return new Uint8Array();
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  const code = systemErrorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
