import { access, constants, lstat, mkdir } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';

/**
 * Where one person's fetched releases are kept: `$QUORATE_CACHE`, else `quorate` in `$XDG_CACHE_HOME` or `~/.cache`,
 * else, when the home cannot be written to, a private folder in the temp folder. It exists afterwards.
 */
export async function userCacheDir(environment: Readonly<Record<string, string | undefined>>): Promise<string> {
  const { QUORATE_CACHE: chosen = '', XDG_CACHE_HOME: caches = '' } = environment;
  const usual = join(caches === '' ? join(homedir(), '.cache') : caches, 'quorate');
  const wanted = chosen === '' ? usual : chosen;
  try {
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    await access(wanted, constants.W_OK | constants.X_OK);
    return wanted;
  } catch (error) {
    if (chosen !== '' || systemErrorCode(error) === undefined)
      throw unusable(wanted, 'it cannot be made or written to', error);
  }
  const uid = process.getuid?.() ?? 0;
  const fallback = join(tmpdir(), `quorate-cache-${uid}`);
  await mkdir(fallback, { recursive: true, mode: 0o700 });
  const found = await lstat(fallback);
  // Everyone may write to the temp folder, and programs out of this one will be run.
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0)
    throw unusable(fallback, 'it belongs to someone else, or others may write to it');
  return fallback;
}

function unusable(folder: string, why: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'cache-unusable',
    kind: 'stalled',
    operation: 'find a folder for etcd releases',
    summary: `${folder} cannot be used: ${why}`,
    remedy: 'set QUORATE_CACHE to a folder of your own',
    cause,
  });
}
