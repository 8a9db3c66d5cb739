import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/**
 * How etcd-manager's JSON is written. `plain` is what its own writer gives; the others are what its reader takes as
 * well, and what people and older releases leave: snake_case, integers without quotes, any white space.
 */
export type ManagerStyle = 'plain' | 'snake' | 'spaced';

export interface ManagerBackup {
  /** `2026-11-20T15:29:48Z-000003` */
  readonly name: string;
  readonly etcdVersion: string;
  readonly memberCount?: number;
  readonly style?: ManagerStyle;
  /** The stream of a snapshot: the database and its trailing SHA-256. */
  readonly snapshot: Uint8Array;
}

export interface ManagerStore {
  /** Base of the store; the cluster's name is appended. */
  readonly folder: string;
  readonly cluster: string;
  readonly backups: readonly ManagerBackup[];
  /** `control/etcd-cluster-spec`; without it, none is written, and no created-marker. */
  readonly spec?: { readonly memberCount: number; readonly etcdVersion: string; readonly style?: ManagerStyle };
  /** Backup of a command to restore that was not carried out. */
  readonly pending?: string;
}

/** Fills a folder as etcd-manager does, with its file modes. Gives the folder of the cluster. */
export async function writeManagerStore({ folder, cluster, backups, spec, pending }: ManagerStore): Promise<string> {
  const root = join(folder, cluster);
  const write = async (key: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(dirname(join(root, key)), { recursive: true, mode: 0o755 });
    await writeFile(join(root, key), content, { mode: 0o644 });
  };
  for (const backup of backups) {
    await write(`${backup.name}/etcd.backup.gz`, gzipSync(backup.snapshot));
    await write(`${backup.name}/_etcd_backup.meta`, managerMeta(backup));
  }
  if (spec !== undefined) {
    await write('control/etcd-cluster-spec', clusterSpec(spec.memberCount, spec.etcdVersion, spec.style ?? 'plain'));
    // Nanoseconds, unquoted: it is written by another encoder than the rest.
    await write('control/etcd-cluster-created', '{"timestamp":1795219460123456789}');
  }
  if (pending !== undefined) {
    const restore = `{"clusterSpec":${clusterSpec(3, '3.4.13', 'plain')},"backup":"${pending}"}`;
    const command = `{\n  "timestamp": "1795219999123456789",\n  "restoreBackup": ${restore}\n}`;
    await write('control/2026-11-20T16:13:19Z-000000/_command.json', command);
  }
  return root;
}

function managerMeta({ name, etcdVersion, memberCount = 3, style = 'plain' }: ManagerBackup): string {
  const seconds = Math.floor(Date.parse(name.slice(0, 20)) / 1000);
  const spec = clusterSpec(memberCount, etcdVersion, style);
  switch (style) {
    case 'plain':
      return JSON.stringify(
        { etcdVersion, timestamp: String(seconds), clusterSpec: { memberCount, etcdVersion } },
        undefined,
        2,
      );
    case 'snake':
      return `{"cluster_spec":${spec},"etcd_version":"${etcdVersion}","timestamp":${seconds}}`;
    case 'spaced':
      return `\r\n\t{ "timestamp" : ${seconds} ,\r\n"etcdVersion"\t: "${etcdVersion}"   ,"clusterSpec"\n:\n${spec} }\n\n`;
  }
}

function clusterSpec(memberCount: number, etcdVersion: string, style: ManagerStyle): string {
  switch (style) {
    case 'plain':
      return JSON.stringify({ memberCount, etcdVersion });
    case 'snake':
      return `{"etcd_version":"${etcdVersion}","member_count":${memberCount}}`;
    case 'spaced':
      return ` {\n\n  "memberCount":   "${memberCount}",\t"etcdVersion" :"${etcdVersion}"}\r\n`;
  }
}
