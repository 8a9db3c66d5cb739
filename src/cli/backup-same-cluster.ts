import type { BackupCatalog } from '../backup/catalog.ts';
import type { ObjectStore } from '../backup/store.ts';
import { QuorateError } from '../base/errors.ts';

/** Throws `options-unclear`. */
export function checkReplaces(replaces: string | undefined): void {
  if (replaces === undefined || /^[0-9a-f]{1,16}$/i.test(replaces)) return;
  throw new QuorateError({
    code: 'options-unclear',
    kind: 'invalid',
    operation: 'read the options',
    summary: `--replaces: ${JSON.stringify(replaces.slice(0, 50))} is no id of a cluster`,
    remedy: 'Write it as `quorate backup list` shows it.',
  });
}

/**
 * Two clusters in one folder are two histories of which nobody can tell the newest. Rejects with
 * `backup-other-cluster` when the newest proven backup is of a cluster that is neither this one nor the one that it
 * `replaces`. Once there is a backup of this one, `replaces` means nothing more.
 */
export async function checkSameCluster(
  {
    cluster,
    store,
    catalog,
  }: { readonly cluster: string; readonly store: ObjectStore; readonly catalog: BackupCatalog },
  clusterId: string,
  replaces: string | undefined,
): Promise<void> {
  const { backups } = await catalog.list();
  const newest = backups.find(({ proof }) => proof !== undefined);
  const knownId = newest?.proof?.clusterId;
  if (newest === undefined || knownId === undefined || knownId === clusterId) return;
  if (replaces !== undefined && plainId(replaces) === plainId(knownId)) return;
  throw new QuorateError({
    code: 'backup-other-cluster',
    kind: 'refused',
    operation: `back up ${cluster}`,
    summary: `the cluster that answers has the id ${clusterId}, and the newest verified backup in ${store.url}, ${newest.name}, is of ${knownId}`,
    remedy: `Each cluster has a --cluster of its own in the store. If this one has taken the place of the other, as after a restore, add --replaces ${knownId}.`,
  });
}

function plainId(id: string): string {
  return id.toLowerCase().replace(/^0+(?=.)/, '');
}
