import { Buffer } from 'node:buffer';
import { createSecureContext } from 'node:tls';
import { ClusterClient, type ICallable, KVClient, MaintenanceClient } from 'etcd3';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { ClientCredentials } from '../tls/keystore.ts';
import type { Alarm, EndpointStatus, EtcdApi, EtcdMember, KvHash, MemberList } from './api.ts';
import { etcdError } from './client-errors.ts';
import { EndpointConnections } from './connections.ts';
import { snapshotStream } from './snapshot-stream.ts';

export interface EtcdClientOptions {
  /** Client URLs of voters, tried in turn by calls that name none. At least one. */
  readonly endpoints: readonly string[];
  /** For https URLs. Without an authority those of the system are trusted; without a certificate none is shown. */
  readonly credentials?: Partial<ClientCredentials> | undefined;
  readonly clock: Clock;
  /** Deadline of one call to one endpoint. A call that tries several takes at most twice as long. 2 s by default. */
  readonly timeoutMs?: number;
  /** How long a snapshot may stand still before it is given up. 10 s by default. */
  readonly snapshotIdleTimeoutMs?: number;
}

const defaultTimeoutMs = 2000;
/** etcd reads its whole database to hash it: 8 GiB, the largest that is advised, at 30 MB/s. */
const hashTimeoutMs = 300_000;
/** Of 3.4, which gathers all keys to count them. */
const countTimeoutMs = 15_000;

/**
 * A client of one etcd cluster. It dials at the first call, and a few milliseconds after a restart
 * of etcd again. Errors carry the codes of `client-errors.ts`, `etcd-unreachable` before all.
 *
 * Reads go from endpoint to endpoint until one answers. A change goes on only when the endpoint
 * before surely did nothing; otherwise it rejects, and the caller has to look what became of it.
 */
export function connectEtcd(options: EtcdClientOptions): EtcdApi {
  const { clock, timeoutMs = defaultTimeoutMs, snapshotIdleTimeoutMs = 10_000 } = options;
  const connections = openConnections(options);

  return {
    memberList: () =>
      connections.read('list members', async (call) => {
        await waitForAppliedIndex(call);
        return toMemberList(await new ClusterClient(call).memberList({ linearizable: true }));
      }),
    status: (clientUrl) =>
      connections.readFrom(clientUrl, 'ask for the status', async (call) =>
        toStatus(await new MaintenanceClient(call).status()),
      ),
    alarms: () =>
      connections.read('list alarms', async (call) =>
        (await new MaintenanceClient(call).alarm({ action: 'Get', memberID: 0, alarm: 'None' })).alarms.flatMap(
          toAlarm,
        ),
      ),
    memberAddLearner: (peerUrl) =>
      connections.change(`add the learner ${peerUrl}`, async (call) => {
        const { member } = await new ClusterClient(call).memberAdd({ peerURLs: [peerUrl], isLearner: true });
        return toHex(member.ID);
      }),
    memberPromote: (memberId) =>
      connections.change(`promote the member ${memberId}`, async (call) => {
        await new ClusterClient(call).memberPromote({ ID: toDecimal(memberId) });
      }),
    memberRemove: (memberId) =>
      connections.change(`remove the member ${memberId}`, async (call) => {
        await new ClusterClient(call).memberRemove({ ID: toDecimal(memberId) });
      }),
    moveLeader: (clientUrl, targetMemberId) =>
      connections.changeAt(clientUrl, `move the leader to ${targetMemberId}`, async (call) => {
        await new MaintenanceClient(call).moveLeader({ targetID: toDecimal(targetMemberId) });
      }),
    hashKv: (clientUrl, revision) =>
      connections.readFrom(
        clientUrl,
        'hash the keys',
        async (call): Promise<KvHash> => {
          const answer = await new MaintenanceClient(call).hashKV({ revision });
          return {
            hash: Number(answer.hash),
            revision: revision === 0 ? Number(answer.header.revision) : revision,
            compactRevision: Number(answer.compact_revision),
          };
        },
        hashTimeoutMs,
      ),
    keyCount: (clientUrl, revision) =>
      connections.readFrom(
        clientUrl,
        'count the keys',
        async (call) => {
          // From the smallest key to the end of all: a range end of one zero byte.
          const everything = { key: Buffer.from([0]), range_end: Buffer.from([0]) };
          const answer = await new KVClient(call).range({
            ...everything,
            revision,
            count_only: true,
            serializable: true,
          });
          return Number(answer.count);
        },
        countTimeoutMs,
      ),
    snapshot: (clientUrl, signal) =>
      snapshotStream(connections.get(clientUrl), { clock, timeoutMs, idleTimeoutMs: snapshotIdleTimeoutMs, signal }),
    close: () => connections.close(),
  };
}

/** Connections to the endpoints; nothing is dialled yet. Throws `no-endpoints`. */
export function openConnections(options: EtcdClientOptions): EndpointConnections {
  const { ca, certificate, key } = options.credentials ?? {};
  if (options.endpoints.length === 0)
    throw new QuorateError({
      code: 'no-endpoints',
      kind: 'invalid',
      operation: 'connect to etcd',
      summary: 'no endpoint was given',
    });
  // One for all endpoints and channels: with its parsed certificates it is the largest part of a connection.
  const secureContext = createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    minVersion: 'TLSv1.2',
  });
  return new EndpointConnections(
    options.endpoints,
    secureContext,
    options.clock,
    options.timeoutMs ?? defaultTimeoutMs,
  );
}

/**
 * A linearizable read, which ends when this endpoint has applied all that was committed when it was
 * asked. 3.4 lists the members of its own view whatever one asks; after this its view is current.
 */
async function waitForAppliedIndex(call: ICallable<unknown>): Promise<void> {
  try {
    await new KVClient(call).range({ key: Buffer.from([0]), keys_only: true, limit: 1 });
  } catch (error) {
    // Where etcd has users, ours need not be allowed to read keys. It is checked after the wait.
    if (etcdError(error, 'read', '').code !== 'permission-denied') throw error;
  }
}

type WireMemberList = Awaited<ReturnType<ClusterClient['memberList']>>;
type WireStatus = Awaited<ReturnType<MaintenanceClient['status']>>;
type WireAlarm = Awaited<ReturnType<MaintenanceClient['alarm']>>['alarms'][number];

function toMemberList({ header, members }: WireMemberList): MemberList {
  return { clusterId: toHex(header.cluster_id), members: members.map(toMember) };
}

function toMember(member: WireMemberList['members'][number]): EtcdMember {
  return {
    id: toHex(member.ID),
    name: member.name,
    peerUrls: member.peerURLs,
    clientUrls: member.clientURLs,
    isLearner: member.isLearner,
  };
}

function toStatus(status: WireStatus): EndpointStatus {
  return {
    clusterId: toHex(status.header.cluster_id),
    memberId: toHex(status.header.member_id),
    version: status.version,
    dbSizeBytes: Number(status.dbSize),
    dbSizeInUseBytes: Number(status.dbSizeInUse),
    leaderId: status.leader === '0' ? '' : toHex(status.leader),
    raftTerm: Number(status.raftTerm),
    raftIndex: Number(status.raftIndex),
    raftAppliedIndex: Number(status.raftAppliedIndex),
    revision: Number(status.header.revision),
    isLearner: status.isLearner,
    errors: status.errors,
  };
}

function toAlarm({ memberID, alarm }: WireAlarm): readonly Alarm[] {
  const name = alarm.toUpperCase();
  return name === 'NOSPACE' || name === 'CORRUPT' ? [{ memberId: toHex(memberID), alarm: name }] : [];
}

/** Unsigned 64-bit decimal, as protobuf gives it → hexadecimal, as etcdctl prints it. */
function toHex(decimal: string): string {
  return BigInt(decimal).toString(16);
}

function toDecimal(memberId: string): string {
  if (/^[0-9a-f]{1,16}$/i.test(memberId)) return BigInt(`0x${memberId}`).toString();
  throw new QuorateError({
    code: 'invalid-member-id',
    kind: 'invalid',
    operation: 'read a member id',
    summary: `"${memberId}" is not a hexadecimal id of up to 16 digits`,
  });
}
