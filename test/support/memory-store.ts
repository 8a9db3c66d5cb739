import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { checkKey, checkPrefix, maxSmallObjectBytes } from '../../src/backup/keys.ts';
import type { ObjectStore, StoredObject, WriteCondition } from '../../src/backup/store.ts';
import {
  objectNotFound,
  objectTooLarge,
  storeConflict,
  storeFull,
  storeUnreachable,
} from '../../src/backup/store-errors.ts';

/** Switches that a test may turn at any time. */
export interface StoreFaults {
  /** Bytes that still fit; undefined: all. */
  freeBytes: number | undefined;
  /** True: nothing can be read or written. */
  away: boolean;
  /** True: every conditional write finds that another writer was faster. */
  conflict: boolean;
}

export interface MemoryStore extends ObjectStore {
  readonly faults: StoreFaults;
  /** What is stored, by key; a test may alter it. */
  readonly objects: Map<string, Uint8Array>;
  /** How often each method was called. */
  readonly calls: Record<'list' | 'read' | 'open' | 'write' | 'writeStream' | 'delete', number>;
}

/** The contract of `ObjectStore` in memory, for tests, scenarios and the simulator. */
export function createMemoryStore(url = 'memory://store'): MemoryStore {
  const objects = new Map<string, Uint8Array>();
  const faults: StoreFaults = { freeBytes: undefined, away: false, conflict: false };
  const calls = { list: 0, read: 0, open: 0, write: 0, writeStream: 0, delete: 0 };

  const begin = (call: keyof typeof calls, what: string): string => {
    calls[call] += 1;
    const operation = `${call} ${what} in ${url}`;
    if (faults.away) throw storeUnreachable(operation, 'the store does not answer', 'Switch the fault off.');
    return operation;
  };
  const claimSpace = (sizeBytes: number, operation: string): void => {
    if (faults.freeBytes === undefined) return;
    if (sizeBytes > faults.freeBytes) {
      throw storeFull(operation, `${sizeBytes} bytes were needed, ${faults.freeBytes} are free`);
    }
    faults.freeBytes -= sizeBytes;
  };

  return {
    url,
    faults,
    objects,
    calls,
    removeUnfinishedUploads: async () => 0,
    list: async (prefix): Promise<readonly StoredObject[]> => {
      checkPrefix(prefix);
      begin('list', prefix);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
      return keys.map((key) => ({ key, sizeBytes: objects.get(key)?.byteLength ?? 0 }));
    },
    read: async (key) => {
      checkKey(key);
      const operation = begin('read', key);
      const bytes = objects.get(key);
      if (bytes === undefined) return undefined;
      if (bytes.byteLength > maxSmallObjectBytes)
        throw objectTooLarge(operation, bytes.byteLength, maxSmallObjectBytes);
      return { content: Buffer.from(bytes).toString('utf8'), tag: tagOf(bytes) };
    },
    open: async (key) => {
      checkKey(key);
      const operation = begin('open', key);
      const bytes = objects.get(key);
      if (bytes === undefined) throw objectNotFound(operation, key);
      return Readable.from(slices(bytes), { objectMode: false });
    },
    write: async (key, content, condition) => {
      checkKey(key);
      const operation = begin('write', key);
      const bytes = Buffer.from(content);
      if (bytes.byteLength > maxSmallObjectBytes)
        throw objectTooLarge(operation, bytes.byteLength, maxSmallObjectBytes);
      if (condition !== undefined) checkCondition(objects.get(key), condition, faults.conflict, operation);
      claimSpace(bytes.byteLength, operation);
      objects.set(key, bytes);
    },
    writeStream: async (key, content) => {
      checkKey(key);
      const operation = begin('writeStream', key);
      if (objects.has(key)) throw storeConflict(operation, 'it exists already');
      const parts: Uint8Array[] = [];
      for await (const part of content) {
        begin('writeStream', key);
        claimSpace(part.byteLength, operation);
        parts.push(Uint8Array.from(part));
      }
      if (objects.has(key)) throw storeConflict(operation, 'it exists already');
      const bytes = Buffer.concat(parts);
      objects.set(key, bytes);
      return { sizeBytes: bytes.byteLength };
    },
    delete: async (key) => {
      checkKey(key);
      begin('delete', key);
      objects.delete(key);
    },
  };
}

function checkCondition(
  current: Uint8Array | undefined,
  condition: WriteCondition,
  isRaced: boolean,
  operation: string,
): void {
  if (isRaced) throw storeConflict(operation, 'another writer was faster');
  if (condition.type === 'if-absent') {
    if (current !== undefined) throw storeConflict(operation, 'it exists already');
    return;
  }
  if (current === undefined || tagOf(current) !== condition.tag) throw storeConflict(operation, 'its tag is another');
}

function tagOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.byteLength; offset += 65_536) yield bytes.subarray(offset, offset + 65_536);
}
