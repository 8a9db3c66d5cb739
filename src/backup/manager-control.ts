import { QuorateError } from '../base/errors.ts';
import { fieldOf, parseObject, unsignedOf } from './manager-json.ts';
import type { ObjectStore } from './store.ts';

/** What etcd-manager's control files say of a cluster. */
export interface ManagerControl {
  /** `control/etcd-cluster-spec`; null when there is none. */
  readonly spec: ManagerClusterSpec | null;
  /** `control/etcd-cluster-created`: without it, etcd-manager takes the cluster for a new one. */
  readonly isCreated: boolean;
  readonly commands: readonly ManagerCommand[];
}

export interface ManagerClusterSpec {
  /** 0 when the file does not say. */
  readonly memberCount: number;
  /** Without a leading `v`; null when the file does not say. */
  readonly etcdVersion: string | null;
}

export interface ManagerCommand {
  readonly key: string;
  /** Backup that is to be restored; null for a command of another kind, or one that cannot be read. */
  readonly backup: string | null;
}

const specKey = 'control/etcd-cluster-spec';
const createdKey = 'control/etcd-cluster-created';
const commandPattern = /^control\/[^/]+\/_command\.json$/;
/** It keeps one at a time; so many would be a fault of another kind. */
const maxCommands = 100;

/** Rejects for a fault of the store, and with `manager-control-invalid` when the cluster spec cannot be read. */
export async function readManagerControl(store: ObjectStore): Promise<ManagerControl> {
  const spec = await store.read(specKey);
  return {
    spec: spec === undefined ? null : parseSpec(spec.content),
    isCreated: (await store.read(createdKey)) !== undefined,
    commands: await readManagerCommands(store),
  };
}

/** `control/<time>/_command.json`: what etcd-manager was told to do and has not done yet, oldest first. */
export async function readManagerCommands(store: ObjectStore): Promise<readonly ManagerCommand[]> {
  const keys = (await store.list('control/')).map((object) => object.key).filter((key) => commandPattern.test(key));
  const commands: ManagerCommand[] = [];
  for (const key of keys.slice(0, maxCommands)) {
    const stored = await store.read(key);
    // Deleted since the listing: it has been done.
    if (stored !== undefined) commands.push({ key, backup: backupOf(stored.content) });
  }
  return commands;
}

function parseSpec(text: string): ManagerClusterSpec {
  try {
    const object = parseObject(text);
    const version = fieldOf(object, 'etcdVersion', 'etcd_version');
    if (version !== undefined && typeof version !== 'string') throw new TypeError('etcdVersion is not text');
    return {
      memberCount: unsignedOf('memberCount', fieldOf(object, 'memberCount', 'member_count')),
      etcdVersion: version === undefined || version === '' ? null : version.replace(/^v/, ''),
    };
  } catch (error) {
    throw new QuorateError({
      code: 'manager-control-invalid',
      kind: 'stalled',
      operation: `read ${specKey}`,
      summary: error instanceof Error ? error.message : 'it cannot be read',
      remedy:
        'Restore the file from a copy of the store, or have etcd-manager write it again (etcd-manager-ctl configure-cluster).',
      cause: error,
    });
  }
}

/** A command that cannot be read is still one that is pending. */
function backupOf(text: string): string | null {
  try {
    const restore = fieldOf(parseObject(text), 'restoreBackup', 'restore_backup');
    if (typeof restore !== 'object' || restore === null || Array.isArray(restore)) return null;
    const name = fieldOf(restore, 'backup', 'backup');
    return typeof name === 'string' ? name : null;
  } catch {
    return null;
  }
}
