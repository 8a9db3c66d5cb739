import { isDeepStrictEqual } from 'node:util';
import { QuorateError } from '../base/errors.ts';
import type { DataDir } from './data-dir.ts';
import type { JoinMode, LatchedIdentity, StartRequest } from './wire.ts';

export interface StartSituation {
  readonly cluster: string;
  readonly data: DataDir;
  readonly latched: LatchedIdentity | null;
  readonly request: Pick<StartRequest, 'join'>;
}

/**
 * Decides how a member may be started: undefined on the data that it has, else how it joins. The rule that
 * matters: an empty disk is never taken for a new host when a member has run here, because a `new` start
 * forms an empty cluster with the ids of the old one and nothing inside etcd notices.
 * Refuses with `data-unreadable`, `no-data` or `identity-latched`.
 */
export function decideJoin({ cluster, data, latched, request }: StartSituation): JoinMode | undefined {
  const operation = `start a member of ${cluster}`;
  if (data.isInitialised) return undefined;
  if (data.isPresent) {
    throw new QuorateError({
      code: 'data-unreadable',
      kind: 'refused',
      operation,
      summary:
        'the data dir is not empty but has no write-ahead log, so etcd would start as a new cluster on top of it',
      remedy: 'Archive the data dir, then join again; or put the missing files back.',
    });
  }
  const { join } = request;
  if (join === undefined) {
    throw new QuorateError({
      code: 'no-data',
      kind: 'refused',
      operation,
      summary: 'the data dir is empty, and the start was to go on with data that is there',
      remedy: 'If the data is lost, remove the member from its cluster and let it join as a new learner.',
    });
  }
  if (join.state === 'existing' || latched === null || join.discardData === latched.clusterId) return join;
  throw new QuorateError({
    code: 'identity-latched',
    kind: 'refused',
    operation,
    summary: `member ${latched.memberId} of cluster ${latched.clusterId} has run here and its data is gone; a new cluster here would give that one up`,
    remedy: `Bring the data back or let the host join as a new learner. To give the cluster up, declare discardData: "${latched.clusterId}".`,
  });
}

/** Refuses (`already-running`) a start that asks for something else than what runs. */
export function requireSameStart(
  cluster: string,
  request: StartRequest,
  running: { readonly pid: number; readonly request: StartRequest | null },
): void {
  const current = running.request;
  const isSame =
    current !== null &&
    current.member === request.member &&
    current.version === request.version &&
    isDeepStrictEqual({ ...current.flags }, { ...request.flags });
  if (isSame) return;
  throw new QuorateError({
    code: 'already-running',
    kind: 'refused',
    operation: `start a member of ${cluster}`,
    summary: `process ${running.pid} runs etcd ${current?.version ?? 'of unknown version'} with other settings than asked for`,
    remedy: 'Stop the member first.',
  });
}

/** The data dir of a member that runs is not touched. */
export function stillRunning(operation: string): QuorateError {
  return new QuorateError({
    code: 'still-running',
    kind: 'refused',
    operation,
    summary: 'etcd runs on the data dir',
    remedy: 'Stop the member first.',
  });
}
