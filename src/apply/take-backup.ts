import { takeBackup } from '../backup/snapshot.ts';
import type { Backup } from '../backup/store.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { formatSize } from '../base/size.ts';
import type { LiveState } from '../observe/live-state.ts';
import type { Sight } from '../observe/sight.ts';
import { backupSource } from '../plan/backup.ts';

export interface TakeBackupInput {
  readonly cluster: string;
  readonly live: LiveState;
  readonly sight: Sight;
  /** Host to read from; by default a healthy follower. */
  readonly source?: string | undefined;
  readonly reason: string;
  readonly commit: string | null;
  readonly runId: string | null;
  readonly log: Logger;
  readonly progress: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Reads a snapshot from one member into the store, and verifies it there. */
export async function takeClusterBackup(input: TakeBackupInput): Promise<Backup> {
  const { live, sight } = input;
  const host = input.source ?? backupSource(live);
  const cluster = live.etcd.known ? live.etcd.value : undefined;
  const member = cluster?.members.find((candidate) => candidate.host === host);
  const url = member?.clientUrls[0];
  const etcd = url === undefined ? undefined : await sight.etcd([url]);
  if (cluster === undefined || member === undefined || url === undefined || etcd === undefined) {
    throw new QuorateError({
      code: 'backup-failed',
      kind: 'transient',
      operation: `back up ${input.cluster}`,
      summary: live.etcd.known ? 'no healthy member could give a snapshot' : `no quorum answers (${live.etcd.reason})`,
    });
  }
  const { version, revision } = await etcd.status(url);
  const { hash } = await etcd.hashKv(url, revision);
  let toldBytes = 0;
  return takeBackup({
    source: etcd.snapshot(url, input.signal),
    store: sight.store,
    clock: sight.clock,
    log: input.log,
    signal: input.signal,
    facts: {
      revision,
      hash,
      clusterId: cluster.clusterId,
      source: member.name,
      members: cluster.members.map(({ id, name, peerUrls }) => ({ id, name, peerUrls })),
      memberCount: cluster.members.filter((candidate) => !candidate.isLearner).length,
      etcdVersion: version,
      reason: input.reason,
      commit: input.commit,
      run: input.runId,
    },
    progress: ({ phase, snapshotBytes, storedBytes }) => {
      const doneBytes = phase === 'writing' ? snapshotBytes : storedBytes;
      // Reading back begins at nothing again.
      if (doneBytes < toldBytes) toldBytes = 0;
      if (doneBytes - toldBytes < progressBytes) return;
      toldBytes = doneBytes;
      input.progress(`${phase === 'writing' ? 'written' : 'read back'}: ${formatSize(doneBytes)}`);
    },
  });
}

/** A line of progress for every so many bytes. */
const progressBytes = 64 * 1024 ** 2;
