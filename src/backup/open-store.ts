import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { redact } from '../base/redact.ts';
import { parseStoreUrl } from '../base/store-url.ts';
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
  // As in the schema of the cluster spec; it keeps the name from leaving the base.
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(cluster)) throw invalid(url, `${cluster} is not a cluster name`);
  const parsed = parseStoreUrl(url);
  if (!parsed.valid) throw invalid(url, parsed.reason);
  const { location } = parsed;
  if (location.type === 's3') {
    // Loaded only where it is used: the SDK takes longer to load than most commands to run.
    const { openS3Store } = await import('./s3-store.ts');
    return openS3Store({ location, cluster, log: options.log });
  }
  return openFileStore({ folder: location.folder, cluster, ...options });
}

function invalid(url: string, why: string): QuorateError {
  return new QuorateError({
    code: 'store-url-invalid',
    kind: 'invalid',
    operation: `open the backup store ${redact(url)}`,
    summary: why,
    remedy: 'Write file:///var/backups/etcd, or s3://bucket/prefix?region=eu-1.',
  });
}
