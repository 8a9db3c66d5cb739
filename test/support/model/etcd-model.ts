import { createHash } from 'node:crypto';
import { QuorateError } from '../../../src/base/errors.ts';
import type { EtcdApi, EtcdMember, MemberProbe } from '../../../src/etcd/api.ts';
import type { Calls } from './calls.ts';
import type { Oracle } from './oracle.ts';
import { connectedMs, leaderOf, memberId, type Node, nodesOf, propose, quorum, raftOf, votersOf } from './raft.ts';
import { type HostState, keysOf, membersOf, revisionOf, type WorldState } from './state.ts';

export interface EtcdParts {
  readonly state: WorldState;
  readonly calls: Calls;
  readonly oracle: Oracle;
  readonly settle: () => void;
}

/** Codes after which the real client asks the next endpoint too. */
const readsGoOn = ['etcd-unreachable', 'etcd-timeout', 'learner-cannot-serve'];
const changesGoOn = ['etcd-unreachable', 'learner-cannot-serve'];

/** etcd as its clients see it, with the rules of membership of the real one. */
export function etcdModel(endpoints: readonly string[], parts: EtcdParts): EtcdApi {
  const { state, calls, oracle, settle } = parts;

  function call<T>(name: string, work: () => T): Promise<T> {
    return calls.call(`etcd: ${name}`, work, () => {
      throw failure('etcd-timeout', 'no answer in time');
    });
  }
  /** The first endpoint that serves, as the real client finds it. */
  function inTurn<T>(goesOn: readonly string[], work: (leader: Node) => T): T {
    let last: unknown = failure('etcd-unreachable', 'no endpoint was given');
    for (const url of endpoints) {
      try {
        return work(leaderBehind(state, url));
      } catch (error) {
        if (!(error instanceof QuorateError) || !goesOn.includes(error.code)) throw error;
        last = error;
      }
    }
    throw last;
  }
  const change = <T>(name: string, work: (leader: Node, members: readonly EtcdMember[]) => T): Promise<T> =>
    call(name, () => {
      const result = inTurn(changesGoOn, (leader) => {
        oracle.beforeChange(name, leader.data.clusterId);
        const changed = work(leader, membersOf(leader.data));
        oracle.afterChange(name, leader.data.clusterId);
        return changed;
      });
      settle();
      return result;
    });

  return {
    memberList: () =>
      call('member-list', () =>
        inTurn(readsGoOn, ({ data }) => ({ clusterId: data.clusterId, members: structuredClone(membersOf(data)) })),
      ),
    alarms: () => call('alarms', () => inTurn(readsGoOn, () => structuredClone(state.alarms))),
    status: (url) => call(`status ${hostAt(state, url)?.name}`, () => statusOf(state, url)),
    memberAddLearner: (peerUrl) =>
      change(`member-add ${peerUrl}`, (leader, members) => addLearner(state, leader, members, peerUrl)),
    memberPromote: (id) => change(`member-promote ${id}`, (leader, members) => promote(state, leader, members, id)),
    memberRemove: (id) => change(`member-remove ${id}`, (leader, members) => remove(state, leader, members, id)),
    moveLeader: (url, targetId) =>
      call(`move-leader ${targetId}`, () => {
        const from = nodeAt(state, url);
        oracle.beforeChange('move-leader', from.data.clusterId);
        moveLeader(state, from, targetId);
        settle();
      }),
    hashKv: (url) =>
      call('hash-kv', () => {
        const { data } = nodeAt(state, url);
        return { hash: hashOf(keysOf(data).join()), revision: revisionOf(data), compactRevision: 0 };
      }),
    keyCount: (url) => call('key-count', () => keysOf(nodeAt(state, url).data).length),
    snapshot: (url) => snapshotOf(url, call, state),
    close: () => undefined,
  };
}

/** Keys in the clear, padded to whole pages, and their hash, as the real stream ends. */
async function* snapshotOf(
  url: string,
  call: <T>(name: string, work: () => T) => Promise<T>,
  state: WorldState,
): AsyncGenerator<Uint8Array> {
  const database = await call('snapshot', () => {
    const { data } = nodeAt(state, url);
    const text = JSON.stringify({ keys: keysOf(data), raisedBy: data.raisedBy ?? 0 });
    return Buffer.from(text.padEnd(Math.ceil((text.length + 1) / 512) * 512));
  });
  yield database;
  yield createHash('sha256').update(database).digest();
}

export function probeModel(state: WorldState, calls: Calls): MemberProbe {
  return {
    health: (url) =>
      calls.call(
        `probe ${hostAt(state, url)?.name}`,
        () => {
          const host = reachable(state, url);
          if (host === undefined) return { healthy: false, reason: 'connect ECONNREFUSED' };
          const leaf = host.member.tls.client.leaf;
          if (leaf === null || leaf.notAfterMs < state.nowMs)
            return { healthy: false, reason: 'the certificate has expired' };
          const presented = { fingerprint: leaf.fingerprint, serial: leaf.serial, notAfterMs: leaf.notAfterMs };
          const alarm = state.alarms[0];
          if (alarm !== undefined) return { healthy: false, reason: `unhealthy: ALARM ${alarm.alarm}`, presented };
          if (!isServed(state, host)) return { healthy: false, reason: 'unhealthy: RAFT NO LEADER', presented };
          return { healthy: true, latencyMs: 1, presented };
        },
        () => ({ healthy: false, reason: 'no answer within 1000 ms' }),
      ),
  };
}

function hostAt(state: WorldState, clientUrl: string): HostState | undefined {
  return Object.values(state.hosts).find(
    (host) => (host.member.process?.flags ?? host.member.request?.flags)?.['advertise-client-urls'] === clientUrl,
  );
}

function reachable(state: WorldState, url: string): HostState | undefined {
  const host = hostAt(state, url);
  return host !== undefined && host.isOn && !host.isEndpointAway && host.member.process !== null ? host : undefined;
}

function nodeAt(state: WorldState, url: string): Node {
  const host = reachable(state, url);
  const node =
    host === undefined
      ? undefined
      : nodesOf(state, host.member.data?.clusterId ?? '').find((candidate) => candidate.host === host);
  if (node === undefined) throw failure('etcd-unreachable', `${url}: connect ECONNREFUSED`);
  return node;
}

/** The leader of the cluster that a member belongs to, which forwards to it. */
function leaderBehind(state: WorldState, url: string): Node {
  const node = nodeAt(state, url);
  const leader = leaderOf(state, node.data.clusterId);
  const own =
    leader === undefined ? undefined : membersOf(leader.data).find((member) => member.id === node.data.memberId);
  if (leader === undefined || own === undefined) throw failure('etcd-timeout', `${url} says: request timed out`);
  if (own.isLearner) throw failure('learner-cannot-serve', `${url} says: rpc not supported for learner`);
  return leader;
}

function isServed(state: WorldState, host: HostState): boolean {
  const { data } = host.member;
  const leader = data === null ? undefined : leaderOf(state, data.clusterId);
  return leader !== undefined && membersOf(leader.data).some((member) => member.id === data?.memberId);
}

function statusOf(state: WorldState, url: string): Awaited<ReturnType<EtcdApi['status']>> {
  const { host, data, process } = nodeAt(state, url);
  return {
    clusterId: data.clusterId,
    memberId: data.memberId,
    version: process.version,
    dbSizeBytes: 20_480,
    dbSizeInUseBytes: 16_384,
    leaderId: host.isBehind ? '' : (leaderOf(state, data.clusterId)?.data.memberId ?? ''),
    raftTerm: raftOf(state, data.clusterId).term,
    raftIndex: data.log.length,
    raftAppliedIndex: data.log.length,
    revision: revisionOf(data),
    isLearner: membersOf(data).find((member) => member.id === data.memberId)?.isLearner ?? false,
    errors: [],
  };
}

/** Voters that have been connected for five seconds, which strict-reconfig-check asks for. */
function connected(state: WorldState, leader: Node): readonly string[] {
  const nodes = nodesOf(state, leader.data.clusterId);
  return votersOf(leader.data).flatMap((voter) => {
    const node = nodes.find((candidate) => candidate.data.memberId === voter.id);
    return node !== undefined && state.nowMs - node.process.startedAtMs >= connectedMs ? [voter.id] : [];
  });
}

function addLearner(state: WorldState, leader: Node, members: readonly EtcdMember[], peerUrl: string): string {
  if (members.some((member) => member.peerUrls.includes(peerUrl)))
    throw failure('peer-url-exists', 'Peer URLs already exists');
  if (members.some((member) => member.isLearner))
    throw failure('too-many-learners', 'too many learner members in cluster');
  const voters = votersOf(leader.data).length;
  if (voters > 1 && connected(state, leader).length < quorum(voters + 1))
    throw failure('unhealthy-cluster', 'unhealthy cluster');
  const id = memberId([peerUrl], String(Math.trunc(state.nowMs / 1000)));
  const learner: EtcdMember = { id, name: '', peerUrls: [peerUrl], clientUrls: [], isLearner: true };
  propose(state, leader, { type: 'members', members: [...members, learner] });
  return id;
}

function promote(state: WorldState, leader: Node, members: readonly EtcdMember[], id: string): void {
  const member = find(members, id);
  if (!member.isLearner) throw failure('member-not-learner', 'can only promote a learner member');
  const node = nodesOf(state, leader.data.clusterId).find((candidate) => candidate.data.memberId === id);
  if (node === undefined || state.nowMs < node.process.caughtUpAtMs || member.name === '')
    throw failure('learner-not-ready', 'can only promote a learner member which is in sync with leader');
  propose(state, leader, {
    type: 'members',
    members: members.map((candidate) => (candidate.id === id ? { ...candidate, isLearner: false } : candidate)),
  });
}

function remove(state: WorldState, leader: Node, members: readonly EtcdMember[], id: string): void {
  const member = find(members, id);
  const rest = members.filter((candidate) => candidate.id !== id);
  if (!member.isLearner) {
    const voters = rest.filter((candidate) => !candidate.isLearner);
    const started = voters.filter((candidate) => candidate.name !== '');
    if (started.length < quorum(voters.length))
      throw failure('unhealthy-cluster', 're-configuration failed due to not enough started members');
    const active = connected(state, leader);
    const isDown = !nodesOf(state, leader.data.clusterId).some((node) => node.data.memberId === id);
    // One that is down is no part of the active quorum and may always go.
    if (!isDown && active.length - 1 < 1 + Math.trunc(voters.length / 2))
      throw failure('unhealthy-cluster', 'unhealthy cluster');
  }
  propose(state, leader, { type: 'members', members: rest });
  state.alarms = state.alarms.filter((alarm) => alarm.memberId !== id);
}

function moveLeader(state: WorldState, from: Node, targetId: string): void {
  const raft = raftOf(state, from.data.clusterId);
  if (raft.leaderId !== from.data.memberId) throw failure('not-leader', 'not leader');
  const isVoter = votersOf(from.data).some((voter) => voter.id === targetId);
  if (!isVoter) throw failure('bad-leader-transferee', 'bad leader transferee');
  if (!nodesOf(state, from.data.clusterId).some((node) => node.data.memberId === targetId))
    throw failure('etcd-timeout', 'request timed out');
  raft.leaderId = targetId;
  raft.term += 1;
}

function find(members: readonly EtcdMember[], id: string): EtcdMember {
  const member = members.find((candidate) => candidate.id === id);
  if (member === undefined) throw failure('member-not-found', 'member not found');
  return member;
}

function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}

function failure(code: string, summary: string): QuorateError {
  return new QuorateError({ code, kind: 'transient', operation: 'ask etcd', summary });
}
