import { QuorateError } from '../base/errors.ts';

/** `_etcd_backup.meta`, the part of a backup that etcd-manager and Quorate share. */
export interface BackupMeta {
  readonly etcdVersion: string;
  /** Milliseconds since the epoch; the file has whole seconds. Null when it states none. */
  readonly takenAtMs: number | null;
  /** 0 when the file does not state it. */
  readonly memberCount: number;
}

/**
 * Exactly as etcd-manager writes it: lowerCamelCase, two-space indent, 64-bit integers as strings,
 * and nothing beyond these fields, because an unknown one is fatal to its reader.
 */
export function renderMeta(meta: BackupMeta & { readonly takenAtMs: number }): string {
  const { etcdVersion, memberCount, takenAtMs } = meta;
  const timestamp = String(Math.floor(takenAtMs / 1000));
  return JSON.stringify({ etcdVersion, timestamp, clusterSpec: { memberCount, etcdVersion } }, undefined, 2);
}

/**
 * Lenient: snake_case or lowerCamelCase, integers quoted or not, any white space, unknown fields,
 * defaults left out as protobuf does. Throws `backup-meta-invalid` when it does not say the version.
 */
export function parseMeta(key: string, text: string): BackupMeta {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalid(key, `it is not JSON (${error instanceof Error ? error.message : 'unreadable'})`);
  }
  if (!isObject(parsed)) throw invalid(key, 'it is not an object');
  const spec = field(parsed, 'clusterSpec', 'cluster_spec');
  const inner = isObject(spec) ? spec : {};
  const etcdVersion = field(parsed, 'etcdVersion', 'etcd_version') ?? field(inner, 'etcdVersion', 'etcd_version');
  if (typeof etcdVersion !== 'string' || !/^v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,40}$/.test(etcdVersion)) {
    throw invalid(key, 'it does not say which version of etcd the backup is of');
  }
  const seconds = integer(key, 'timestamp', field(parsed, 'timestamp', 'timestamp'));
  return {
    etcdVersion: etcdVersion.replace(/^v/, ''),
    takenAtMs: seconds === 0 ? null : seconds * 1000,
    memberCount: integer(key, 'memberCount', field(inner, 'memberCount', 'member_count')),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function field(object: Record<string, unknown>, camel: string, snake: string): unknown {
  for (const name of [camel, snake]) if (Object.hasOwn(object, name)) return object[name] ?? undefined;
  return undefined;
}

/** Absent means 0, as in protobuf. */
function integer(key: string, name: string, value: unknown): number {
  if (value === undefined) return 0;
  const number = typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
  // Twelve digits of seconds reach past the year 30 000; more is no time that a date could show.
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number < 1e12) return number;
  throw invalid(key, `${name} is not a whole number in range`);
}

function invalid(key: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'backup-meta-invalid',
    kind: 'stalled',
    operation: `read ${key}`,
    summary: seen,
    remedy:
      'The backup is left out. Restore the file from a copy of the store, or remove it so that the backup is no longer listed.',
  });
}
