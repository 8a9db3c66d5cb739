import { checkName } from '../backup/backup-name.ts';
import type { BackupCatalog } from '../backup/catalog.ts';
import type { Backup } from '../backup/store.ts';
import { objectNotFound } from '../backup/store-errors.ts';
import { QuorateError } from '../base/errors.ts';

export type BackupChoice = { readonly name: string } | 'verified' | 'latest';

/** A word of the command line: `latest`, or a name. */
export function backupChoice(word: string): BackupChoice {
  return word === 'latest' ? 'latest' : { name: word };
}

/**
 * The backup of that name, or the newest: `verified`, of those that have a proof; `latest`, of all. Throws
 * `object-not-found`, `backup-archive-damaged` and the like with what the listing says, or `no-backup`.
 */
export async function chooseBackup(catalog: BackupCatalog, choice: BackupChoice): Promise<Backup> {
  if (typeof choice !== 'string') checkName(choice.name);
  const { backups, diagnostics } = await catalog.list();
  if (typeof choice === 'string') {
    const newest = backups.find(({ proof }) => choice === 'latest' || proof !== undefined);
    if (newest !== undefined) return newest;
    throw new QuorateError({
      code: 'no-backup',
      kind: 'invalid',
      operation: 'choose a backup',
      summary: `the store holds no ${choice === 'verified' ? 'verified ' : ''}backup`,
      remedy: '`quorate backup list` shows what there is, and what is wrong with the rest.',
    });
  }
  const { name } = choice;
  const named = backups.find((backup) => backup.name === name);
  if (named !== undefined) return named;
  const finding = diagnostics.find(({ file }) => file?.startsWith(`${name}/`) === true);
  const operation = `find the backup ${name}`;
  if (finding === undefined) throw objectNotFound(operation, name);
  throw new QuorateError({ code: finding.code, kind: 'stalled', operation, summary: finding.detail });
}
