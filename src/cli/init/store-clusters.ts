import { readdir } from 'node:fs/promises';
import { timeOfName } from '../../backup/backup-name.ts';
import { openStore } from '../../backup/open-store.ts';
import type { Clock } from '../../base/clock.ts';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { editDistance } from '../../base/nearest.ts';
import { parseStoreUrl } from '../../base/store-url.ts';
import { shellWord } from '../shell-word.ts';

const maxShown = 5;

/**
 * For people: which clusters lie below that URL, the nearest names first; or that the URL is that of one cluster
 * itself. `option` is the one that the URL was given with.
 */
export async function clustersIn(url: string, cluster: string, clock: Clock, option: string): Promise<string> {
  let names: readonly string[];
  try {
    names = await namesBelow(url, clock);
  } catch (error) {
    return `What else lies below ${url} could not be listed (${describeError(error)}).`;
  }
  if (names.some((name) => timeOfName(name) !== undefined)) {
    const [base, last] = splitLast(url);
    return `${url} is the store of one cluster itself. Give the place above it: ${option} ${shellWord(base)} --cluster ${last}`;
  }
  if (names.length === 0) return `Nothing lies below ${url}; check the URL.`;
  const near = names.toSorted((a, b) => editDistance(a, cluster) - editDistance(b, cluster) || (a < b ? -1 : 1));
  const rest = names.length > maxShown ? `, and ${names.length - maxShown} more` : '';
  return `Check --cluster: below ${url} lie ${near.slice(0, maxShown).join(', ')}${rest}.`;
}

async function namesBelow(url: string, clock: Clock): Promise<readonly string[]> {
  const parsed = parseStoreUrl(url);
  if (!parsed.valid) return [];
  if (parsed.location.type === 'file') {
    try {
      const entries = await readdir(parsed.location.folder, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
  // A store is opened for one name below its URL; so the last part of the prefix is taken for one.
  const [base, last] = splitLast(url);
  if (parsed.location.prefix === '') {
    throw new QuorateError({
      code: 'store-not-listed',
      kind: 'invalid',
      operation: `list ${url}`,
      summary: 'the URL names a bucket without a prefix',
    });
  }
  const store = await openStore(base, last, { log: silentLogger, clock });
  return [...new Set((await store.list('')).map(({ key }) => key.split('/', 1)[0] ?? ''))];
}

/** `s3://bucket/a/b?region=x` → `s3://bucket/a?region=x` and `b`. */
function splitLast(url: string): readonly [string, string] {
  // The query may hold slashes of its own, in the address of a server.
  const [path = '', ...query] = url.split(/(?=\?)/);
  const [, place = '', last = ''] = /^(.*)\/([^/]+)\/*$/.exec(path) ?? [];
  return [`${place}${query.join('')}`, last];
}
