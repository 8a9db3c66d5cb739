import type { Dirent } from 'node:fs';
import { lstat, mkdir, readdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';
import { syncFolder } from '../base/files.ts';
import { isKey, maxStoredObjects } from './keys.ts';
import type { StoredObject } from './store.ts';
import { storeDenied, storeTooLarge } from './store-errors.ts';

/** Looks at every folder between the root and a key; false when one is missing, `store-denied` when one is a link. */
export async function foldersExist(root: string, key: string, operation: string): Promise<boolean> {
  for (const folder of foldersOf(root, key)) {
    try {
      checkFolder(folder, await lstat(folder), operation);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }
  return true;
}

/** Makes the folders between the root and a key, 0700, each durable before the next. */
export async function makeFolders(root: string, key: string, operation: string): Promise<void> {
  for (const folder of foldersOf(root, key)) {
    try {
      await mkdir(folder, { mode: 0o700 });
      await syncFolder(dirname(folder));
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
      checkFolder(folder, await lstat(folder), operation);
    }
  }
}

/** Removes the folders between the root and a key that hold nothing any more. */
export async function pruneFolders(root: string, key: string): Promise<void> {
  for (const folder of foldersOf(root, key).toReversed()) {
    try {
      await rmdir(folder);
    } catch {
      // Not empty, or somebody else's haste: an empty folder is no object and does no harm.
      return;
    }
  }
}

/** Keys below a prefix in string order, from plain files alone; links and foreign names are left out. */
export async function listTree(
  root: string,
  prefix: string,
  operation: string,
  skipped: (path: string, why: string) => void,
): Promise<readonly StoredObject[]> {
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (start !== '' && !(await foldersExist(root, `${start}x`, operation))) return [];
  const found: StoredObject[] = [];
  const folders: string[] = [start];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readEntries(join(root, folder))) {
      if (entry.name.startsWith('.')) continue;
      const key = folder + entry.name;
      if (entry.isDirectory()) {
        if (isKey(key) && (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))) folders.push(`${key}/`);
      } else if (!entry.isFile() || !isKey(key)) {
        skipped(join(root, key), entry.isFile() ? 'its name is not a key' : 'it is not a plain file');
      } else if (key.startsWith(prefix)) {
        const sizeBytes = await sizeOf(join(root, key));
        if (sizeBytes !== undefined) found.push({ key, sizeBytes });
        if (found.length > maxStoredObjects) throw storeTooLarge(operation, root);
      }
    }
  }
  return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

function foldersOf(root: string, key: string): string[] {
  const parts = key.split('/').slice(0, -1);
  return parts.map((_part, index) => join(root, ...parts.slice(0, index + 1)));
}

function checkFolder(path: string, found: { isDirectory(): boolean }, operation: string): void {
  if (found.isDirectory()) return;
  throw storeDenied(
    operation,
    `${path} is not a folder (symbolic links are not followed below the store)`,
    'Put a real folder there.',
  );
}

/** Empty when the folder was removed between being listed and being read. */
async function readEntries(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
