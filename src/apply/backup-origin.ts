import { QuorateError } from '../base/errors.ts';
import type { EtcdApi, EtcdMember } from '../etcd/api.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Sight } from '../observe/sight.ts';
import { backupSource } from '../plan/backup.ts';

/** The member that a snapshot is read from, and what is known of its cluster. */
export interface BackupOrigin {
  readonly etcd: EtcdApi;
  readonly url: string;
  /** Name of the member, which is that of its host. */
  readonly source: string;
  readonly clusterId: string;
  readonly members: readonly EtcdMember[];
  /** The highest that any member told. With it as in a backup, nothing was written since that. */
  readonly revision: number;
}

/** From what was observed: the member on `source`, by default a healthy follower. Rejects with `backup-failed`. */
export async function clusterOrigin(live: LiveState, sight: Sight, source?: string): Promise<BackupOrigin> {
  const host = source ?? backupSource(live);
  const cluster = live.etcd.known ? live.etcd.value : undefined;
  const member = cluster?.members.find((candidate) => candidate.host === host);
  const url = member?.clientUrls[0];
  const etcd = url === undefined ? undefined : await sight.etcd([url]);
  if (cluster === undefined || member === undefined || url === undefined || etcd === undefined) {
    throw new QuorateError({
      code: 'backup-failed',
      kind: 'transient',
      operation: `back up ${live.cluster}`,
      summary: live.etcd.known ? 'no healthy member could give a snapshot' : `no quorum answers (${live.etcd.reason})`,
    });
  }
  const { clusterId, members } = cluster;
  const revision = Math.max(...members.map(({ status }) => (status.known ? status.value.revision : 0)));
  return { etcd, url, source: member.name, clusterId, members, revision };
}
