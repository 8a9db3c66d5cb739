import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import type { LatchedIdentity, PreparedRestore, PrepareRestoreRequest, RestoreFacts } from '../../../src/agent/wire.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { placesOf } from './etcd-start.ts';
import type { Oracle } from './oracle.ts';
import { clusterIdOf, memberId } from './raft.ts';
import type { DataDir, HostState, WorldState } from './state.ts';

/** The archive as the agent of a host sees it: its own hash, gzip, and the hash that the snapshot ends with. */
export function stage(host: HostState, backup: string, sha256: string | null, archive: Uint8Array): void {
  if (sha256 !== null && createHash('sha256').update(archive).digest('hex') !== sha256)
    throw bad('backup-altered', host, 'the archive is not the one that was backed up');
  let stream: Buffer;
  try {
    stream = gunzipSync(archive);
  } catch {
    throw bad('backup-altered', host, 'the archive cannot be unpacked');
  }
  const database = stream.subarray(0, -32);
  if (!createHash('sha256').update(database).digest().equals(stream.subarray(-32)))
    throw bad('snapshot-corrupt', host, 'the snapshot does not end with its hash');
  const { keys, raisedBy } = JSON.parse(database.toString('utf8')) as { keys: string[]; raisedBy: number };
  host.member.staged = { backup, keys, raisedBy, sizeBytes: database.length };
}

/** etcd's own tool: every member from the same keys, with ids that follow from URLs and token. */
export function prepare(host: HostState, request: PrepareRestoreRequest): PreparedRestore {
  const { member } = host;
  const known = member.prepared;
  if (known !== null && JSON.stringify(known.request) === JSON.stringify(request)) return publicPart(known);
  if (member.staged?.backup !== request.backup) throw bad('not-staged', host, `backup ${request.backup} is not here`);
  const members = placesOf(request.initialCluster).map(({ name, url }) => ({
    id: memberId([url], request.token),
    name,
    peerUrls: [url],
    clientUrls: [],
    isLearner: false,
  }));
  const clusterId = clusterIdOf(members.map((one) => one.id));
  const own = memberId([request.peerUrl], request.token);
  const data: DataDir = {
    clusterId,
    memberId: own,
    raisedBy: member.staged.raisedBy + request.bumpRevision,
    log: [
      { id: `0.0.${clusterId}`, term: 0, type: 'members', members },
      ...member.staged.keys.map((key, index) => ({
        id: `0.${index + 1}.${clusterId}`,
        term: 0,
        type: 'put' as const,
        key,
      })),
    ],
  };
  member.staged = null;
  member.prepared = {
    bootstrapId: request.bootstrapId,
    backup: request.backup,
    clusterId,
    memberId: own,
    request,
    data,
  };
  return publicPart(member.prepared);
}

export function install(state: WorldState, host: HostState, bootstrapId: string, oracle: Oracle): LatchedIdentity {
  const { member } = host;
  if (member.process !== null) throw bad('still-running', host, 'etcd runs on the data dir');
  if (member.latched?.bootstrapId === bootstrapId && member.data?.clusterId === member.latched.clusterId)
    return member.latched;
  const { prepared } = member;
  if (prepared?.bootstrapId !== bootstrapId) throw bad('not-prepared', host, 'no data dir lies ready');
  oracle.beforeInstall(host, prepared);
  member.desired = 'stop';
  member.restartAtMs = null;
  if (member.data !== null) member.archives.push({ name: `orders-data-${state.nowMs}-restored`, data: member.data });
  member.data = structuredClone(prepared.data);
  member.latched = { clusterId: prepared.clusterId, memberId: prepared.memberId, bootstrapId, atMs: state.nowMs };
  member.prepared = null;
  // What ran before was another member; how this one is to run is not known yet.
  Object.assign(member, { request: null, lastExit: null, restarts: 0 });
  return member.latched;
}

export function restoreFacts({ member: { staged, prepared } }: HostState): RestoreFacts {
  return {
    staged: staged === null ? null : { backup: staged.backup, dbSizeBytes: staged.sizeBytes },
    prepared: prepared === null ? null : publicPart(prepared),
  };
}

function publicPart({ bootstrapId, backup, clusterId, memberId: id }: PreparedRestore): PreparedRestore {
  return { bootstrapId, backup, clusterId, memberId: id };
}

function bad(code: string, host: HostState, summary: string): QuorateError {
  return new QuorateError({ code, kind: 'stalled', operation: `restore on ${host.name}`, summary });
}
