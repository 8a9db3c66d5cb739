import type { Clock } from '../base/clock.ts';
import type { Diagnostic } from '../base/diagnostics.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { KeepSpec } from '../spec/cluster-spec.ts';
import { keysOf } from './backup-name.ts';
import { BackupCatalog } from './catalog.ts';
import { removeLeftovers } from './leftovers.ts';
import { readManagerCommands } from './manager-control.ts';
import { pruneHistory } from './prune-history.ts';
import { readRecord } from './record.ts';
import { judgeBackups, type NamedBackup, type Protections, type RetentionVerdict } from './retention.ts';
import type { ObjectStore } from './store.ts';

export interface PruneRequest {
  readonly store: ObjectStore;
  /** Kept by the caller from one look to the next; else a fresh one. */
  readonly catalog?: BackupCatalog | undefined;
  readonly cluster: string;
  readonly keep: KeepSpec;
  /** Backups that the spec names; what the record names is looked up. */
  readonly named: readonly NamedBackup[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

export interface PruneReport {
  /** Of every backup, newest first, as it was decided right before the first deletion. */
  readonly verdicts: readonly RetentionVerdict[];
  /** Names, oldest first. */
  readonly deleted: readonly string[];
  readonly failed: readonly { readonly name: string; readonly error: string }[];
  /** How many were not tried, because it was stopped or the store failed again and again. */
  readonly left: number;
  /** Old records of runs and results of drills. */
  readonly historyDeleted: number;
}

/** A store that refuses so often in a row refuses the rest too, and each refusal may take a minute. */
const maxFailuresInARow = 5;

/**
 * What `pruneBackups` would do now, and why; changes nothing. Rejects for a fault of the store, and with an error of
 * `readRecord`: without the record nobody knows which backup an operation is about to need.
 */
export async function judgeStore(request: Omit<PruneRequest, 'log'>): Promise<readonly RetentionVerdict[]> {
  const { store, cluster, keep, clock } = request;
  // The record first: what it names after the listing is looked at again before each deletion.
  const byRecord = await namedByRecord(store, cluster);
  const listing = await (request.catalog ?? new BackupCatalog(store)).list();
  return judgeBackups(listing.backups, keep, clock.now(), {
    named: [...request.named, ...byRecord, ...(await namedByCommands(store))],
    unreadable: listing.diagnostics.flatMap(unreadableIn),
  });
}

function unreadableIn({ file }: Diagnostic): Protections['unreadable'] {
  const [name = '', part = ''] = (file ?? '').split('/');
  const troubles: Readonly<Record<string, string>> = {
    '_etcd_backup.meta': 'its meta cannot be read',
    '_quorate.json': 'its proof cannot be read',
    'etcd.backup.gz': 'its archive is missing or not whole',
  };
  return [{ name, why: troubles[part] ?? 'something of it cannot be read' }];
}

/**
 * Deletes what `keep` does not ask for and nothing protects, the oldest first, one at a time. A deletion that fails
 * is in the report and does not stop the rest. Dying at any point leaves no half backup listed, and what is left of
 * one is removed later; several at once do no harm. Rejects, having deleted nothing, as `judgeStore` does.
 */
export async function pruneBackups(request: PruneRequest): Promise<PruneReport> {
  const { store, clock, log, signal } = request;
  const verdicts = await judgeStore(request);
  await removeLeftovers(store, clock, log);
  const doomed = verdicts.filter(({ verdict }) => verdict === 'delete').toReversed();
  const deleted: string[] = [];
  const failed: { name: string; error: string }[] = [];
  let failuresInARow = 0;
  for (const { name, reasons } of doomed) {
    if (signal?.aborted === true || failuresInARow >= maxFailuresInARow) break;
    try {
      await deleteUnlessNamed(request, name);
      deleted.push(name);
      failuresInARow = 0;
      log.info({ backup: name, reasons }, 'deleted a backup');
    } catch (error) {
      failed.push({ name, error: describeError(error) });
      failuresInARow += 1;
      log.warn({ backup: name, error: describeError(error) }, 'could not delete a backup');
    }
  }
  const left = doomed.length - deleted.length - failed.length;
  const history = left > 0 ? { deleted: 0, failed: [] } : await pruneHistory(store, log, signal);
  return { verdicts, deleted, failed: [...failed, ...history.failed], left, historyDeleted: history.deleted };
}

async function namedByRecord(store: ObjectStore, cluster: string): Promise<readonly NamedBackup[]> {
  const operation = (await readRecord(store, cluster))?.record.operation ?? null;
  return operation?.type === 'restore' ? [{ name: operation.backup, by: 'the restore under way' }] : [];
}

/** What etcd-manager was told to restore and has not restored yet. */
async function namedByCommands(store: ObjectStore): Promise<readonly NamedBackup[]> {
  const commands = await readManagerCommands(store);
  return commands.flatMap(({ key, backup }) => (backup === null ? [] : [{ name: backup, by: key }]));
}

async function deleteUnlessNamed(request: PruneRequest, name: string): Promise<void> {
  const { store, cluster } = request;
  // A restore may have begun since the listing.
  if ((await namedByRecord(store, cluster)).some((named) => named.name === name)) {
    throw new QuorateError({
      code: 'backup-in-use',
      kind: 'transient',
      operation: `delete the backup ${name}`,
      summary: 'a restore from it has begun meanwhile',
      remedy: 'It is looked at again when the restore is done.',
    });
  }
  await deleteBackup(request, name);
}

/**
 * The claim says that what follows belongs to us: once the meta is gone, `removeLeftovers` finds by it what we could
 * not delete any more. Beside a meta it means nothing.
 */
async function deleteBackup({ store, clock, log }: PruneRequest, name: string): Promise<void> {
  const { meta, proof, archive, claim } = keysOf(name);
  try {
    await store.write(claim, JSON.stringify({ claimedAtMs: clock.now(), purpose: 'delete' }));
  } catch (error) {
    // Deleting is what makes room, so it must not need any.
    if (!(error instanceof QuorateError) || error.code !== 'store-full') throw error;
    log.warn({ backup: name, error: error.message }, 'no room for the claim; deleting without it');
  }
  for (const key of [meta, proof, archive, claim]) await store.delete(key);
}
