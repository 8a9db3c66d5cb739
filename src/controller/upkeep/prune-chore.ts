import { pruneBackups } from '../../backup/prune.ts';
import { readRecord } from '../../backup/record.ts';
import type { NamedBackup } from '../../backup/retention.ts';
import { QuorateError } from '../../base/errors.ts';
import type { ClusterSpec } from '../../spec/cluster-spec.ts';
import type { Chore } from './chore.ts';

const everyMs = 3_600_000;

/**
 * Deletes the backups that `backup.keep` does not ask for, once an hour. Does nothing without `backup.keep`, nor while
 * the store has no record: a store that another program filled is left as it is until the cluster has been made.
 */
export const pruneChore: Chore = {
  name: 'prune',
  run: async ({ spec, sight, log, signal }) => {
    const { keep } = spec.backup;
    if (keep === undefined) return everyMs;
    const { store, catalog, clock } = sight;
    if ((await readRecord(store, spec.name)) === null) return everyMs;
    const named = namedBySpec(spec);
    const { deleted, failed, left } = await pruneBackups({
      store,
      catalog,
      cluster: spec.name,
      keep,
      named,
      clock,
      log,
      signal,
    });
    const [first] = failed;
    if (first === undefined) return everyMs;
    throw new QuorateError({
      code: 'prune-incomplete',
      kind: 'transient',
      operation: `delete old backups of ${spec.name}`,
      summary: `${failed.length} could not be deleted, ${deleted.length} were, ${left} were not tried; the first: ${first.name}: ${first.error}`,
      remedy: 'See whether the store may be written, and its disk or server answers. Nothing else is lost by it.',
    });
  },
};

/** Backups that a spec needs: never deleted. */
export function namedBySpec({ bootstrap }: ClusterSpec): readonly NamedBackup[] {
  const name = backupOf(bootstrap);
  return name === undefined ? [] : [{ name, by: 'bootstrap.from.backup of the spec' }];
}

function backupOf(bootstrap: ClusterSpec['bootstrap']): string | undefined {
  return bootstrap === undefined || bootstrap.from === 'empty' ? undefined : bootstrap.from.backup;
}
