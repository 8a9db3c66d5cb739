import type { Diagnostic } from '../base/diagnostics.ts';
import { QuorateError } from '../base/errors.ts';
import { keysOf, timeOfName } from './backup-name.ts';
import { parseMeta } from './meta.ts';
import { proofKind } from './proof.ts';
import type { Backup, BackupProof, ObjectStore } from './store.ts';
import { parseStored } from './stored-json.ts';

export interface BackupListing {
  /** Newest first; only those that have a meta and an archive of the proven size. */
  readonly backups: readonly Backup[];
  /** What was left out or no longer counts as proven, and why. */
  readonly diagnostics: readonly Diagnostic[];
}

interface Entry {
  readonly backup?: Backup | undefined;
  readonly diagnostic?: Diagnostic | undefined;
}

const readsAtOnce = 8;

/**
 * Lists the backups of a store. Keep it from one look to the next: metas and proofs never change, so
 * each good one is read once, and a look costs one listing.
 */
export class BackupCatalog {
  readonly #store: ObjectStore;
  /** By name and the sizes of the two files, so that a repaired one is read again. */
  #entries = new Map<string, Entry>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async list(): Promise<BackupListing> {
    const sizes = new Map((await this.#store.list('')).map((object) => [object.key, object.sizeBytes]));
    const names = [...sizes.keys()]
      .filter((key) => key.endsWith('/_etcd_backup.meta'))
      .map((key) => key.split('/', 1)[0] ?? '');
    const entries = new Map<string, Entry>();
    const wanted = names
      .filter((name) => timeOfName(name) !== undefined)
      .toSorted()
      .toReversed();
    const work = wanted.values();
    await Promise.all(
      Array.from({ length: readsAtOnce }, async () => {
        for (const name of work) {
          const { meta, proof } = keysOf(name);
          const identity = `${name} ${sizes.get(meta) ?? ''} ${sizes.get(proof) ?? ''}`;
          entries.set(identity, this.#entries.get(identity) ?? (await this.#load(name, sizes.has(proof))));
        }
      }),
    );
    // What was broken or being deleted is looked at again.
    this.#entries = new Map(
      [...entries].filter(([, entry]) => entry.backup !== undefined && entry.diagnostic === undefined),
    );
    const ordered = [...entries].toSorted(([a], [b]) => (a < b ? 1 : -1)).map(([, entry]) => withArchive(entry, sizes));
    return {
      backups: ordered.flatMap(({ backup }) => (backup === undefined ? [] : [backup])),
      diagnostics: ordered.flatMap(({ diagnostic }) => (diagnostic === undefined ? [] : [diagnostic])),
    };
  }

  async #load(name: string, hasProof: boolean): Promise<Entry> {
    const keys = keysOf(name);
    try {
      const stored = await this.#store.read(keys.meta);
      // Deleted between the listing and the reading: it is no backup any more.
      if (stored === undefined) return {};
      const meta = parseMeta(keys.meta, stored.content);
      const takenAtMs = meta.takenAtMs ?? timeOfName(name) ?? 0;
      const backup: Backup = { name, takenAtMs, etcdVersion: meta.etcdVersion, memberCount: meta.memberCount };
      if (!hasProof) return { backup };
      try {
        const proof = await readProof(this.#store, name);
        return { backup: proof === undefined ? backup : { ...backup, proof } };
      } catch (error) {
        return { backup, diagnostic: diagnosticOf(keys.proof, error, 'warning') };
      }
    } catch (error) {
      return { diagnostic: diagnosticOf(keys.meta, error, 'error') };
    }
  }
}

/** One look, newest first; for callers that look once. */
export async function listBackups(store: ObjectStore): Promise<readonly Backup[]> {
  return (await new BackupCatalog(store).list()).backups;
}

/** Undefined for a backup that another program wrote. Rejects with `backup-proof-invalid`. */
export async function readProof(store: ObjectStore, name: string): Promise<BackupProof | undefined> {
  const key = keysOf(name).proof;
  const stored = await store.read(key);
  return stored === undefined ? undefined : parseStored(proofKind, key, stored.content);
}

function withArchive(entry: Entry, sizes: ReadonlyMap<string, number>): Entry {
  if (entry.backup === undefined) return entry;
  const { archive } = keysOf(entry.backup.name);
  const sizeBytes = sizes.get(archive);
  const provenBytes = entry.backup.proof?.sizeBytes ?? sizeBytes;
  if (sizeBytes !== undefined && sizeBytes > 0 && sizeBytes === provenBytes) return entry;
  const seen = sizeBytes === undefined ? 'is missing' : `has ${sizeBytes} bytes instead of ${provenBytes ?? 'some'}`;
  return {
    diagnostic: {
      severity: 'error',
      code: 'backup-archive-damaged',
      summary: 'A backup is listed, but its archive is not whole.',
      detail: `${archive} ${seen}. The backup is left out; restore the file from a copy of the store.`,
      file: archive,
    },
  };
}

/** A fault of the store concerns the whole listing; only what is wrong with one backup becomes a finding. */
function diagnosticOf(key: string, error: unknown, severity: 'error' | 'warning'): Diagnostic {
  const own = ['backup-meta-invalid', 'backup-proof-invalid', 'store-object-too-large', 'store-denied'];
  if (!(error instanceof QuorateError) || !own.includes(error.code)) throw error;
  const summary = severity === 'error' ? 'A backup cannot be read.' : 'The proof of a backup cannot be read.';
  return { severity, code: error.code, summary, detail: `${error.summary}. ${error.remedy ?? ''}`.trim(), file: key };
}
