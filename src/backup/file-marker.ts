import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, lstat, mkdir, open, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type QuorateError, systemErrorCode } from '../base/errors.ts';
import { syncFolder } from '../base/files.ts';
import { storeDenied, storeUnreachable } from './store-errors.ts';
import type { StoreMemory } from './store-memory.ts';

/** Says that a folder is a backup store, and which one. */
const markerName = '.quorate-store';

/**
 * Tells a store that is there from one that is not mounted or was emptied:
 *
 * - a folder that was known (in this process, or in the memory that was handed in) must hold the
 *   marker with the identity that was seen before; else `store-unreachable`, never "empty";
 * - a folder that was not known and has a marker becomes known;
 * - one without a marker is used as it is, so that another program's backups can be read, and gets
 *   a marker at the first write. Looking at a store creates nothing;
 * - a missing folder is made at the first write if its parent exists; a missing parent is
 *   `store-unreachable`.
 */
export class MarkedFolder {
  readonly #path: string;
  readonly #memory: StoreMemory | undefined;
  /** Set for folders that Quorate makes itself: those may not be symbolic links. */
  readonly #refusesLink: boolean;
  #known: string | undefined;

  constructor(path: string, options: { readonly memory?: StoreMemory | undefined; readonly refusesLink: boolean }) {
    this.#path = path;
    this.#memory = options.memory;
    this.#refusesLink = options.refusesLink;
  }

  /** True when the folder is there. With `write` it is made and marked if that may be done. */
  async check(purpose: 'read' | 'write', operation: string): Promise<boolean> {
    const seen = await this.#look(operation);
    this.#known ??= await this.#memory?.recall(this.#path);
    if (this.#known !== undefined) {
      if (seen.id !== this.#known) throw this.#lost(operation, seen);
      return true;
    }
    if (seen.id !== undefined) {
      await this.#learn(seen.id);
      return true;
    }
    if (purpose === 'read') return seen.exists;
    if (!seen.exists) await this.#make();
    await this.#learn(await this.#mark(operation));
    return true;
  }

  async #look(operation: string): Promise<{ readonly exists: boolean; readonly id?: string | undefined }> {
    try {
      const found = this.#refusesLink ? await lstat(this.#path) : await stat(this.#path);
      if (!found.isDirectory()) throw this.#notAFolder(operation);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      await this.#checkParent(operation);
      return { exists: false };
    }
    return { exists: true, id: await this.#readMarker(operation) };
  }

  async #checkParent(operation: string): Promise<void> {
    if (
      await stat(dirname(this.#path)).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      return;
    throw storeUnreachable(
      operation,
      `neither ${this.#path} nor the folder above it exists`,
      'Mount the store or correct the path. Only the last folder of the path is made by itself.',
    );
  }

  async #readMarker(operation: string): Promise<string | undefined> {
    let text: string;
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const handle = await open(join(this.#path, markerName), flags);
      try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(1024), 0, 1024, 0);
        text = buffer.toString('utf8', 0, bytesRead);
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
    const id = /^quorate-store 1 ([0-9a-f-]{36})\n?$/.exec(text)?.[1];
    if (id !== undefined) return id;
    throw storeDenied(
      operation,
      `${join(this.#path, markerName)} is not a marker that this version wrote`,
      'Restore the file from a copy of the store, or use the version of Quorate that wrote it.',
    );
  }

  async #make(): Promise<void> {
    try {
      await mkdir(this.#path, { mode: 0o700 });
      await syncFolder(dirname(this.#path));
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
  }

  /** Linked into place: whole or absent, and of two writers the first wins. */
  async #mark(operation: string): Promise<string> {
    const id = randomUUID();
    const temporary = join(this.#path, `${markerName}.${id}`);
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(`quorate-store 1 ${id}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(temporary, join(this.#path, markerName)).catch((error: unknown) => {
        if (systemErrorCode(error) !== 'EEXIST') throw error;
      });
    } finally {
      await rm(temporary, { force: true });
    }
    await syncFolder(this.#path);
    return (await this.#readMarker(operation)) ?? id;
  }

  async #learn(id: string): Promise<void> {
    await this.#memory?.remember(this.#path, id);
    this.#known = id;
  }

  #lost(operation: string, seen: { readonly exists: boolean; readonly id?: string | undefined }): QuorateError {
    const what = seen.exists
      ? seen.id === undefined
        ? `${this.#path} is there without its marker ${markerName}, which it had before`
        : `${this.#path} holds another store than before (marker ${seen.id}, was ${this.#known ?? '?'})`
      : `${this.#path} is gone`;
    return storeUnreachable(
      operation,
      `${what}; a store that was in use is never taken for an empty one`,
      'Mount the store again or bring its folder back. If it was replaced on purpose, remove what the controller remembers of it in the folder `stores` of its state.',
    );
  }

  #notAFolder(operation: string): QuorateError {
    return storeDenied(
      operation,
      `${basename(this.#path)} in ${dirname(this.#path)} is not a folder (symbolic links are not followed below the store)`,
      'Put a real folder there.',
    );
  }
}
