import type { BackupCheck, ObjectStore } from './store.ts';
import { parseStored, renderStored, type StoredKind, storedKind } from './stored-json.ts';

const key = 'control/backup-check.json';

const text = { type: 'string', maxLength: 1000 };
const count = { type: 'integer', minimum: 0 };
const check = {
  formatVersion: { const: '1.0' },
  backup: text,
  clusterId: text,
  revision: count,
  checkedAtMs: count,
} satisfies Record<keyof BackupCheck, object>;

const checkKind: StoredKind<BackupCheck> = storedKind<BackupCheck>(
  { type: 'object', required: Object.keys(check), properties: check },
  {
    what: 'the note of the last look that found nothing to back up',
    code: 'backup-check-invalid',
    remedy: 'Delete the file; the next periodic backup writes what is true then.',
  },
);

/** Undefined when no periodic backup was ever left out. Rejects with `backup-check-invalid`, and for a fault of the store. */
export async function readBackupCheck(store: ObjectStore): Promise<BackupCheck | undefined> {
  const stored = await store.read(key);
  return stored === undefined ? undefined : parseStored(checkKind, key, stored.content);
}

/** Takes the place of the one before; of two writers the last one wins, and both say what was true. */
export async function writeBackupCheck(store: ObjectStore, value: BackupCheck): Promise<void> {
  const content = renderStored(value);
  // What could not be read again must not be written.
  parseStored(checkKind, key, content);
  await store.write(key, content);
}
