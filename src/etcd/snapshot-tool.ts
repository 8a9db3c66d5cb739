import { QuorateError } from '../base/errors.ts';
import type { EtcdBinary } from './binaries.ts';
import { canBumpRevision, compareVersions } from './releases.ts';

export interface RestoreArguments {
  /** The snapshot stream as etcd gave it, with its trailing hash. */
  readonly snapshotFile: string;
  /** Must not exist. */
  readonly dataDir: string;
  readonly member: string;
  readonly peerUrl: string;
  /** `name=peerURL,…` */
  readonly initialCluster: string;
  readonly token: string;
  /** Added to all revisions, with everything before marked as compacted; 0: neither. */
  readonly bumpRevision: number;
}

export interface ToolCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The restore by a release's own tool: `etcdutl` from 3.5 on, `etcdctl` before (3.6 took it out of etcdctl).
 * Throws `restore-tool-missing`, and `revision-bump-unsupported` where a bump is asked for that it cannot do.
 */
export function restoreCommand(binary: EtcdBinary, request: RestoreArguments): ToolCommand {
  const { version } = binary;
  const operation = `restore a snapshot with the tool of etcd ${version}`;
  const isOwnTool = compareVersions(version, '3.5.0') >= 0;
  const program = isOwnTool ? binary.etcdutl : binary.etcdctl;
  if (program === null) {
    throw new QuorateError({
      code: 'restore-tool-missing',
      kind: 'stalled',
      operation,
      summary: `there is no ${isOwnTool ? 'etcdutl' : 'etcdctl'} beside ${binary.etcd}`,
      remedy: 'Put the whole release there, not the server alone.',
    });
  }
  if (request.bumpRevision > 0 && !canBumpRevision(version)) {
    throw new QuorateError({
      code: 'revision-bump-unsupported',
      kind: 'invalid',
      operation,
      summary: 'this release cannot raise revisions at a restore; it takes 3.4.27, 3.5.10 or a later one',
    });
  }
  const bump = request.bumpRevision > 0 ? ['--bump-revision', String(request.bumpRevision), '--mark-compacted'] : [];
  return {
    program,
    args: [
      'snapshot',
      'restore',
      request.snapshotFile,
      '--data-dir',
      request.dataDir,
      '--name',
      request.member,
      '--initial-advertise-peer-urls',
      request.peerUrl,
      '--initial-cluster',
      request.initialCluster,
      '--initial-cluster-token',
      request.token,
      ...bump,
    ],
    // etcdctl of 3.4 speaks the API of version 2 otherwise where the environment says so.
    env: isOwnTool ? {} : { ETCDCTL_API: '3' },
  };
}
