import { QuorateError } from '../base/errors.ts';
import type { ClusterRecord, ObjectStore, RecordedBootstrap, RecordedRestore, StoredRecord } from './store.ts';
import { storeConflict } from './store-errors.ts';
import { parseStored, renderStored, type StoredKind, storedKind } from './stored-json.ts';

const recordKey = 'control/quorate.json';
const specKey = 'control/etcd-cluster-spec';
const createdKey = 'control/etcd-cluster-created';

const text = { type: 'string', maxLength: 10_000 };
const list = (items: object): object => ({ type: 'array', maxItems: 10_000, items });
const exactly = (properties: Record<string, object>, optional: readonly string[] = []): object => ({
  type: 'object',
  // Nothing may be lost when an older program writes the record of a newer one, so it refuses to read it.
  additionalProperties: false,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  properties,
});

const textOrNull = { anyOf: [{ type: 'null' }, text] };
const count = { type: 'integer', minimum: 0 };
const begun = {
  bootstrapId: text,
  token: text,
  initialCluster: text,
  hosts: list(text),
  commit: text,
  startedAtMs: count,
};
const bootstrap: object = exactly({
  type: { const: 'bootstrap' },
  ...begun,
  discardData: textOrNull,
} satisfies Record<keyof RecordedBootstrap, object>);
const restore: object = exactly({
  type: { const: 'restore' },
  ...begun,
  backup: text,
  version: text,
  bumpRevision: count,
  replaces: textOrNull,
} satisfies Record<keyof RecordedRestore, object>);

const recordKind: StoredKind<ClusterRecord> = storedKind<ClusterRecord>(
  exactly(
    {
      formatVersion: { const: '1.0' },
      cluster: { type: 'string', minLength: 1, maxLength: 100 },
      clusterId: { type: ['string', 'null'], pattern: '^[0-9a-f]{1,16}$' },
      bootstrapIds: list(text),
      versions: list(text),
      members: { type: 'integer', minimum: 0, maximum: 1000 },
      hosts: list(exactly({ name: text, agent: text, address: text })),
      operation: { anyOf: [{ type: 'null' }, bootstrap, restore] },
      lastRevision: { type: 'integer', minimum: 0 },
      replaced: list(text),
    } satisfies Record<keyof ClusterRecord, object>,
    ['replaced'],
  ),
  {
    what: 'the record of the cluster',
    code: 'record-invalid',
    remedy:
      'Restore the file from a copy of the store, or use the version of Quorate that wrote it. Do not delete it: it is what tells this cluster from a new one.',
  },
);

/**
 * Null only when the store was read and holds no record. One that is damaged is an error
 * (`record-invalid`), and so is one of another cluster (`record-of-another-cluster`).
 */
export async function readRecord(store: ObjectStore, cluster?: string): Promise<StoredRecord | null> {
  const stored = await store.read(recordKey);
  if (stored === undefined) return null;
  const record = parseStored(recordKind, recordKey, stored.content);
  if (cluster !== undefined && record.cluster !== cluster) throw foreign(store, cluster, record.cluster);
  return { record, tag: stored.tag };
}

/**
 * Writes the record that follows the one with the given tag, or the first one for null, and gives it
 * back with its own tag. Rejects with `store-conflict` when another writer was faster. After any
 * other error it is not known whether it was written: read it again.
 */
export async function writeRecord(
  store: ObjectStore,
  record: ClusterRecord,
  tag: string | null,
): Promise<StoredRecord> {
  const content = renderStored(record);
  // What could not be read again must not be written.
  parseStored(recordKind, recordKey, content);
  await store.write(recordKey, content, tag === null ? { type: 'if-absent' } : { type: 'if-tag', tag });
  const stored = await store.read(recordKey);
  if (stored?.content === content) return { record, tag: stored.tag };
  throw storeConflict(`write ${recordKey}`, 'another writer replaced it at once');
}

export interface CreatedCluster {
  readonly memberCount: number;
  readonly etcdVersion: string;
  /** Milliseconds since the epoch. */
  readonly createdAtMs: number;
}

/**
 * Writes the two files by which etcd-manager knows that a cluster was created, so that it would never
 * take this store for that of a new one. Doing it again changes nothing about the time of creation.
 */
export async function markClusterCreated(store: ObjectStore, created: CreatedCluster): Promise<void> {
  const { memberCount, etcdVersion, createdAtMs } = created;
  await store.write(specKey, JSON.stringify({ memberCount, etcdVersion }));
  // Nanoseconds since the epoch do not fit a JavaScript number, and etcd-manager reads them unquoted.
  const timestampNs = BigInt(Math.floor(createdAtMs)) * 1_000_000n;
  try {
    await store.write(createdKey, `{"timestamp":${timestampNs}}`, { type: 'if-absent' });
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'store-conflict') throw error;
  }
}

function foreign(store: ObjectStore, wanted: string, found: string): QuorateError {
  return new QuorateError({
    code: 'record-of-another-cluster',
    kind: 'stalled',
    operation: `read the record of ${wanted} in ${store.url}`,
    summary: `it is the record of ${found}; two clusters must never share a store`,
    remedy: 'Correct `backup.store`, or move the folder to where it belongs.',
  });
}
