import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore } from '../backup/store.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { parseStoreUrl } from '../base/store-url.ts';
import { clustersIn } from './init/store-clusters.ts';

const maxShown = 10;

/**
 * A mistyped place must not read as an empty store. Rejects with `store-not-found` when the folder of the cluster is
 * not there, or a bucket holds nothing below its prefix; what else is wrong shows when the store is read.
 */
export async function checkStored(
  url: string,
  { cluster, store, clock }: { readonly cluster: string; readonly store: ObjectStore; readonly clock: Clock },
): Promise<void> {
  const parsed = parseStoreUrl(url);
  if (!parsed.valid) return;
  const { location } = parsed;
  const missing = (summary: string, remedy: string): QuorateError =>
    new QuorateError({
      code: 'store-not-found',
      kind: 'stalled',
      operation: `look for the backups of ${cluster}`,
      summary,
      remedy,
    });
  if (location.type === 's3') {
    if ((await store.list('')).length > 0) return;
    throw missing(`no objects below ${store.url}/`, await clustersIn(url, cluster, clock, '--store'));
  }
  const { folder } = location;
  if (!(await isMissing(join(folder, cluster)))) return;
  if (!(await isMissing(folder)))
    throw missing(`${folder} has no folder ${cluster}`, await clustersIn(url, cluster, clock, '--store'));
  let above = dirname(folder);
  while (above !== dirname(above) && (await isMissing(above))) above = dirname(above);
  throw missing(`the folder ${folder} does not exist`, `Check --store: ${await contentOf(above)}.`);
}

/** Not when it is only out of reach. */
async function isMissing(path: string): Promise<boolean> {
  try {
    await stat(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');
  }
}

async function contentOf(folder: string): Promise<string> {
  let names: readonly string[];
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    names = entries.flatMap((entry) => (entry.isDirectory() && !entry.name.startsWith('.') ? [entry.name] : []));
  } catch (error) {
    return `${folder} cannot be listed (${describeError(error)})`;
  }
  if (names.length === 0) return `in ${folder} there is no folder`;
  const rest = names.length > maxShown ? `, and ${names.length - maxShown} more` : '';
  return `in ${folder} there are the folders ${names.toSorted().slice(0, maxShown).join(', ')}${rest}`;
}
