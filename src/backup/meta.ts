import { describeError, QuorateError } from '../base/errors.ts';
import { fieldOf, isObject, parseObject, unsignedOf } from './manager-json.ts';

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
  try {
    const meta = parseObject(text);
    const spec = fieldOf(meta, 'clusterSpec', 'cluster_spec');
    const inner = isObject(spec) ? spec : {};
    const version = fieldOf(meta, 'etcdVersion', 'etcd_version') ?? fieldOf(inner, 'etcdVersion', 'etcd_version');
    if (typeof version !== 'string' || !/^v?[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,40}$/.test(version)) {
      throw new TypeError('it does not say which version of etcd the backup is of');
    }
    const seconds = unsignedOf('timestamp', fieldOf(meta, 'timestamp', 'timestamp'));
    return {
      etcdVersion: version.replace(/^v/, ''),
      takenAtMs: seconds === 0 ? null : seconds * 1000,
      memberCount: unsignedOf('memberCount', fieldOf(inner, 'memberCount', 'member_count')),
    };
  } catch (error) {
    throw invalid(key, describeError(error));
  }
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
