import { mkdir, mkdtemp, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { syncFolder } from '../../base/files.ts';

/**
 * Fills a folder that is new or empty, completely or not at all: `build` works in a hidden folder, whose
 * entries are moved when it has succeeded. `target` is where they will be in the end, absolute.
 * Throws `folder-not-empty` and `folder-unusable`.
 */
export async function scaffold(dir: string, build: (folder: string, target: string) => Promise<void>): Promise<string> {
  const path = resolve(dir);
  const target = await inFolder(path, () => emptyFolderAt(path));
  if (target === undefined) return scaffoldNew(path, build);
  return scaffoldEmpty(target, build);
}

/** The real path of an empty folder; undefined when there is nothing. */
async function emptyFolderAt(path: string): Promise<string | undefined> {
  try {
    const entries = await readdir(path);
    if (entries.length > 0) throw notEmpty(path, entries);
    return await realpath(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function scaffoldNew(path: string, build: (folder: string, target: string) => Promise<void>): Promise<string> {
  const parent = await inFolder(dirname(path), async () => {
    await mkdir(dirname(path), { recursive: true });
    return realpath(dirname(path));
  });
  const target = join(parent, basename(path));
  const temporary = await inFolder(parent, () => mkdtemp(join(parent, `.${basename(path)}.init-`)));
  try {
    await build(temporary, target);
    await inFolder(target, async () => {
      // Fails when somebody has put something there meanwhile.
      await rename(temporary, target);
      await syncFolder(parent);
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  return target;
}

/** The folder stays, because a shell may be in it; so its entries arrive one by one, and leave again when one fails. */
async function scaffoldEmpty(
  target: string,
  build: (folder: string, target: string) => Promise<void>,
): Promise<string> {
  const temporary = await inFolder(target, () => mkdtemp(join(target, '.init-')));
  const moved: string[] = [];
  try {
    await build(temporary, target);
    await inFolder(target, async () => {
      const others = (await readdir(target)).filter((entry) => entry !== basename(temporary));
      if (others.length > 0) throw notEmpty(target, others);
      for (const entry of await readdir(temporary)) {
        await rename(join(temporary, entry), join(target, entry));
        moved.push(entry);
      }
      await rm(temporary, { recursive: true });
      await syncFolder(target);
    });
  } catch (error) {
    for (const entry of [...moved, basename(temporary)])
      await rm(join(target, entry), { recursive: true, force: true });
    throw error;
  }
  return target;
}

async function inFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    if (systemErrorCode(error) === 'ENOTEMPTY' || systemErrorCode(error) === 'EEXIST') throw notEmpty(path, []);
    throw new QuorateError({
      code: 'folder-unusable',
      kind: 'invalid',
      operation: 'quorate init',
      summary: `${path} cannot be filled: ${describeError(error)}`,
      remedy: 'Name a new folder, in a place where this user may write.',
      cause: error,
    });
  }
}

function notEmpty(path: string, entries: readonly string[]): QuorateError {
  const some = entries.slice(0, 3).join(', ');
  return new QuorateError({
    code: 'folder-not-empty',
    kind: 'invalid',
    operation: 'quorate init',
    summary: `${path} already holds something${some === '' ? '' : ` (${some}${entries.length > 3 ? ', …' : ''})`}, and nothing may be overwritten`,
    remedy: 'Name a new or an empty folder.',
  });
}
