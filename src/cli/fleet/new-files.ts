import { open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import { syncFolder } from '../../base/files.ts';

export interface NewFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

/** Makes files of one folder that must not exist yet, in their order: all of them or none. Throws `file-exists`. */
export async function createFiles(files: readonly NewFile[]): Promise<void> {
  await refuseExisting(files.map(({ path }) => path));
  const made: string[] = [];
  try {
    for (const { path, content, mode } of files) {
      const handle = await open(path, 'wx', mode);
      made.push(path);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    const [first] = files;
    if (first !== undefined) await syncFolder(dirname(first.path));
  } catch (error) {
    for (const path of made) await rm(path, { force: true });
    if (systemErrorCode(error) === 'EEXIST') await refuseExisting(files.map(({ path }) => path));
    throw error;
  }
}

/** Throws `file-exists`, with all of them. */
async function refuseExisting(paths: readonly string[]): Promise<void> {
  const there: string[] = [];
  for (const path of paths) if (await exists(path)) there.push(path);
  if (there.length === 0) return;
  throw new QuorateError({
    code: 'file-exists',
    kind: 'invalid',
    operation: 'write a certificate',
    summary: `nothing is overwritten, and there is already: ${there.join(', ')}`,
    remedy: 'Name another folder or another name, or take these files away first.',
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
