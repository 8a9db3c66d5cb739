import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { redact } from '../base/redact.ts';
import { openFileStore } from './file-store.ts';
import type { ObjectStore } from './store.ts';
import type { StoreMemory } from './store-memory.ts';

export interface OpenStoreOptions {
  readonly log: Logger;
  /** What the controller remembers of stores; leave it out only where there is no state. */
  readonly memory?: StoreMemory | undefined;
  readonly clock: Clock;
}

/**
 * The store of one cluster, `<base>/<cluster>/`. Touches nothing yet: what is wrong with the store
 * shows at the first use. Rejects with code `store-url-invalid`.
 */
export async function openStore(url: string, cluster: string, options: OpenStoreOptions): Promise<ObjectStore> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // As in the schema of the cluster spec; it keeps the name from leaving the base.
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(cluster)) throw invalid(url, `${cluster} is not a cluster name`);
  if (parsed?.protocol === 's3:') throw invalid(url, 'stores in S3 are not part of this version');
  if (parsed?.protocol !== 'file:') throw invalid(url, 'it is not a file:// URL');
  if (parsed.host !== '') throw invalid(url, `it names a host (${parsed.host}), which a folder does not have`);
  if (parsed.search !== '' || parsed.hash !== '') throw invalid(url, 'a folder takes no parameters');
  return openFileStore({ folder: pathOf(parsed, url), cluster, ...options });
}

function pathOf(parsed: URL, url: string): string {
  let path: string;
  try {
    path = fileURLToPath(parsed);
  } catch (error) {
    throw invalid(url, error instanceof Error ? error.message : 'it cannot be read as a path');
  }
  const folder = path.length > 1 ? path.replace(/\/+$/, '') : path;
  if (!isAbsolute(folder) || folder === '' || folder === '/' || folder.includes('\0')) {
    throw invalid(url, 'it names no folder');
  }
  return folder;
}

function invalid(url: string, why: string): QuorateError {
  return new QuorateError({
    code: 'store-url-invalid',
    kind: 'invalid',
    operation: `open the backup store ${redact(url)}`,
    summary: why,
    remedy: 'Write an absolute folder, for example file:///var/backups/etcd.',
  });
}
