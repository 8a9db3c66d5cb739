import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import { syncFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import { withFileLock } from './file-lock.ts';
import { MarkedFolder } from './file-marker.ts';
import { makeWorkFolder, sweepTemporary, workName, writeTemporary } from './file-temporary.ts';
import { foldersExist, listTree, makeFolders, pruneFolders } from './file-tree.ts';
import { checkKey, checkPrefix, maxSmallObjectBytes } from './keys.ts';
import type { ObjectStore, StoredObject, WriteCondition } from './store.ts';
import { objectNotFound, objectTooLarge, storeConflict, storeDenied, storeFault } from './store-errors.ts';
import type { StoreMemory } from './store-memory.ts';
import { watchFailure } from './watch-failure.ts';

export interface FileStoreOptions {
  /** Absolute path; made at the first write if the folder above it exists. May be a symbolic link. */
  readonly folder: string;
  /** Folder of one cluster below it, made at the first write. Without it the objects lie in `folder` itself. */
  readonly cluster?: string | undefined;
  readonly log: Logger;
  /** Without it, a store is known only for as long as the object lives. */
  readonly memory?: StoreMemory | undefined;
  readonly clock: Clock;
}

const sweepEveryMs = 3_600_000;
const keepTemporaryMs = 3_600_000;
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A backup store in a folder. Objects are files of mode 0600 in folders of mode 0700, durable when a
 * write resolves. Rejects with `store-full`, `store-denied`, `store-unreachable`, `store-busy`,
 * `store-conflict`, `object-not-found`, `store-key-invalid`. See `MarkedFolder` for when a folder
 * counts as empty.
 */
export function openFileStore(options: FileStoreOptions): ObjectStore {
  return new FileStore(options);
}

class FileStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  readonly #work: string;
  readonly #places: readonly MarkedFolder[];
  readonly #log: Logger;
  readonly #clock: Clock;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor({ folder, cluster, log, memory, clock }: FileStoreOptions) {
    this.#root = cluster === undefined ? folder : join(folder, cluster);
    this.#work = join(this.#root, workName);
    this.#places = [
      new MarkedFolder(folder, { memory, refusesLink: false }),
      ...(cluster === undefined ? [] : [new MarkedFolder(this.#root, { memory, refusesLink: true })]),
    ];
    this.#log = log;
    this.#clock = clock;
    this.url = `file://${this.#root}`;
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    checkPrefix(prefix);
    return this.#do(`list the backup store below ${prefix === '' ? '/' : prefix}`, async (operation) => {
      if (!(await this.#isThere(operation))) return [];
      return listTree(this.#root, prefix, operation, (path, why) => {
        this.#log.warn({ path }, `left out of the backup store: ${why}`);
      });
    });
  }

  async read(key: string): Promise<{ readonly content: string; readonly tag: string } | undefined> {
    checkKey(key);
    return this.#do(`read ${key} from the backup store`, async (operation) => {
      const handle = await this.#openToRead(key, operation);
      if (handle === undefined) return undefined;
      try {
        return await readSmall(handle, operation);
      } finally {
        await handle.close();
      }
    });
  }

  async open(key: string): Promise<Readable> {
    checkKey(key);
    return this.#do(`open ${key} in the backup store`, async (operation) => {
      const handle = await this.#openToRead(key, operation);
      if (handle === undefined) throw objectNotFound(operation, key);
      return handle.createReadStream({ highWaterMark: 256 * 1024 });
    });
  }

  async write(key: string, content: string, condition?: WriteCondition): Promise<void> {
    checkKey(key);
    const bytes = Buffer.from(content);
    await this.#do(`write ${key} to the backup store`, async (operation) => {
      if (bytes.length > maxSmallObjectBytes) throw objectTooLarge(operation, bytes.length, maxSmallObjectBytes);
      await this.#prepare(operation);
      const { path } = await writeTemporary(this.#work, once(bytes), operation);
      try {
        if (condition?.type === 'if-absent') await this.#place(path, key, operation);
        else await this.#replace(path, key, condition?.tag, operation);
      } finally {
        await rm(path, { force: true });
      }
    });
  }

  async writeStream(key: string, content: AsyncIterable<Uint8Array>): Promise<{ readonly sizeBytes: number }> {
    checkKey(key);
    const source = watchFailure(content);
    try {
      return await this.#do(`write ${key} to the backup store`, async (operation) => {
        await this.#prepare(operation);
        // Known before the first byte is taken; what counts is the link at the end.
        if (await this.#exists(key, operation)) throw storeConflict(operation, `${key} exists already`);
        const { path, sizeBytes } = await writeTemporary(this.#work, source.content, operation);
        try {
          await this.#place(path, key, operation);
        } finally {
          await rm(path, { force: true });
        }
        return { sizeBytes };
      });
    } catch (error) {
      throw source.failure()?.reason ?? error;
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#do(`delete ${key} from the backup store`, async (operation) => {
      if (!(await this.#isThere(operation)) || !(await this.#exists(key, operation))) return;
      await this.#prepare(operation);
      await withFileLock(this.#lockOf(key), this.#clock, async () => {
        const target = join(this.#root, key);
        try {
          await unlink(target);
        } catch (error) {
          if (systemErrorCode(error) !== 'ENOENT') throw error;
          return;
        }
        await syncFolder(dirname(target));
      });
      await pruneFolders(this.#root, key);
    });
  }

  async removeUnfinishedUploads(beforeMs: number): Promise<number> {
    return this.#do('remove unfinished uploads from the backup store', async (operation) => {
      return (await this.#isThere(operation)) ? sweepTemporary(this.#work, beforeMs, this.#log) : 0;
    });
  }

  async #do<T>(operation: string, act: (operation: string) => Promise<T>): Promise<T> {
    try {
      return await act(operation);
    } catch (error) {
      throw storeFault(error, operation, this.#root);
    }
  }

  async #isThere(operation: string): Promise<boolean> {
    for (const place of this.#places) if (!(await place.check('read', operation))) return false;
    return true;
  }

  async #prepare(operation: string): Promise<void> {
    for (const place of this.#places) await place.check('write', operation);
    await makeWorkFolder(this.#work);
    if (this.#clock.monotonic() - this.#sweptAtMs < sweepEveryMs) return;
    this.#sweptAtMs = this.#clock.monotonic();
    await sweepTemporary(this.#work, this.#clock.now() - keepTemporaryMs, this.#log);
  }

  async #exists(key: string, operation: string): Promise<boolean> {
    if (!(await foldersExist(this.#root, key, operation))) return false;
    try {
      await lstat(join(this.#root, key));
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async #openToRead(key: string, operation: string): Promise<FileHandle | undefined> {
    if (!(await this.#isThere(operation)) || !(await foldersExist(this.#root, key, operation))) return undefined;
    let handle: FileHandle;
    try {
      handle = await open(join(this.#root, key), readFlags);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw storeDenied(operation, `${join(this.#root, key)} is not a plain file`, 'Move it out of the store.');
  }

  /** Gives a temporary file its name if nothing has it. */
  async #place(path: string, key: string, operation: string): Promise<void> {
    const target = join(this.#root, key);
    await this.#intoFolder(key, operation, async () => {
      try {
        await link(path, target);
      } catch (error) {
        if (systemErrorCode(error) === 'EEXIST') throw storeConflict(operation, `${key} exists already`);
        throw error;
      }
    });
    await syncFolder(dirname(target));
  }

  async #replace(path: string, key: string, tag: string | undefined, operation: string): Promise<void> {
    const target = join(this.#root, key);
    await withFileLock(this.#lockOf(key), this.#clock, async (stillHeld) => {
      if (tag !== undefined) {
        const current = await this.read(key);
        if (current === undefined) throw storeConflict(operation, `${key} is gone`);
        if (current.tag !== tag) throw storeConflict(operation, `${key} is not what was read before`);
      }
      await this.#intoFolder(key, operation, async () => {
        if (!(await stillHeld())) throw storeConflict(operation, `the lock on ${key} was taken over by another writer`);
        await rename(path, target);
      });
      await syncFolder(dirname(target));
    });
  }

  /** A folder may be pruned by a delete between being made and being used, hence the second and third try. */
  async #intoFolder(key: string, operation: string, act: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await makeFolders(this.#root, key, operation);
      try {
        await act();
        return;
      } catch (error) {
        if (systemErrorCode(error) !== 'ENOENT' || attempt === 3) throw error;
      }
    }
  }

  #lockOf(key: string): string {
    return join(this.#work, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.lock`);
  }
}

async function readSmall(handle: FileHandle, operation: string): Promise<{ content: string; tag: string }> {
  const buffer = Buffer.alloc(Math.min((await handle.stat()).size, maxSmallObjectBytes) + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > maxSmallObjectBytes) throw objectTooLarge(operation, (await handle.stat()).size, maxSmallObjectBytes);
    if (bytesRead === 0 || length === buffer.length) break;
  }
  const bytes = buffer.subarray(0, length);
  return { content: bytes.toString('utf8'), tag: createHash('sha256').update(bytes).digest('hex') };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
