import type { EtcdMember } from '../../../src/etcd/api.ts';
import { digest } from './paper-certificates.ts';
import { type DataDir, type HostState, membersOf, type ProcessState, type WorldState } from './state.ts';

/** A process that runs on its data, as raft sees it. */
export interface Node {
  readonly host: HostState;
  readonly process: ProcessState;
  readonly data: DataDir;
}

/** From the loss of a leader to the next one. */
const electionMs = 1_200;
/** From the commit of a removal until the removed member ends by itself. */
const removedEndsAfterMs = 1_000;
/** How long a member must have been connected to count for a change of membership. */
export const connectedMs = 5_000;

export function quorum(voters: number): number {
  return Math.trunc(voters / 2) + 1;
}

/** Members of a cluster whose process runs. */
export function nodesOf(state: WorldState, clusterId: string): readonly Node[] {
  const nodes: Node[] = [];
  for (const name in state.hosts) {
    const host = state.hosts[name];
    if (host === undefined) continue;
    const { process, data } = host.member;
    if (process !== null && data?.clusterId === clusterId) nodes.push({ host, process, data });
  }
  return nodes;
}

/** The leader of a cluster, when it has one with a quorum behind it. */
export function leaderOf(state: WorldState, clusterId: string): Node | undefined {
  const leaderId = state.rafts[clusterId]?.leaderId;
  if (leaderId === undefined || leaderId === null) return undefined;
  const leader = nodesOf(state, clusterId).find((node) => node.data.memberId === leaderId);
  return leader !== undefined && hasQuorum(state, leader) ? leader : undefined;
}

export function votersOf(data: DataDir): readonly EtcdMember[] {
  return membersOf(data).filter((member) => !member.isLearner);
}

/** Counted by the candidate's own list, among those whose log is not newer than its own. */
function hasQuorum(state: WorldState, candidate: Node): boolean {
  const voters = votersOf(candidate.data);
  const nodes = nodesOf(state, candidate.data.clusterId);
  const votes = voters.filter((voter) =>
    nodes.some((node) => node.data.memberId === voter.id && !isNewer(node.data, candidate.data)),
  );
  return voters.some((voter) => voter.id === candidate.data.memberId) && votes.length >= quorum(voters.length);
}

function isNewer(a: DataDir, b: DataDir): boolean {
  const [termA, termB] = [a.log.at(-1)?.term ?? 0, b.log.at(-1)?.term ?? 0];
  return termA === termB ? a.log.length > b.log.length : termA > termB;
}

/** Appends to the leader's log and at once to everybody's who has caught up. The caller has checked for a leader. */
export function propose(state: WorldState, leader: Node, entry: ProposedEntry): void {
  const raft = raftOf(state, leader.data.clusterId);
  const id = `${raft.term}.${leader.data.log.length}.${leader.data.memberId}`;
  leader.data.log = [...leader.data.log, { ...entry, id, term: raft.term }];
  replicate(state, leader);
}

export type ProposedEntry =
  | { readonly type: 'members'; readonly members: readonly EtcdMember[] }
  | { readonly type: 'put'; readonly key: string };

export function raftOf(state: WorldState, clusterId: string): RaftRecord {
  const raft = state.rafts[clusterId] ?? { term: 0, leaderId: null, electionAtMs: null };
  state.rafts[clusterId] = raft;
  return raft;
}

type RaftRecord = WorldState['rafts'][string];

function replicate(state: WorldState, leader: Node): void {
  const members = membersOf(leader.data);
  for (const node of nodesOf(state, leader.data.clusterId)) {
    const member = members.find((candidate) => candidate.id === node.data.memberId);
    if (member === undefined) {
      // The removal reaches the removed one too; whoever missed it is turned away by the others.
      node.process.endsAtMs ??= state.nowMs + removedEndsAfterMs;
      if (isPrefix(node.data, leader.data)) node.data.log = [...leader.data.log];
      continue;
    }
    if (member.isLearner && state.nowMs < node.process.caughtUpAtMs) continue;
    if (node.data.log.length === leader.data.log.length && node.data.log.at(-1)?.id === leader.data.log.at(-1)?.id)
      continue;
    if (!isPrefix(node.data, leader.data))
      state.violations.push(`entries of member ${node.host.name} were overwritten: the histories have parted`);
    node.data.log = [...leader.data.log];
  }
}

function isPrefix(short: DataDir, long: DataDir): boolean {
  const last = short.log.at(-1);
  return last === undefined || long.log[short.log.length - 1]?.id === last.id;
}

/** Elections, replication and the publishing of names, until nothing moves any more. */
export function settleRafts(state: WorldState): void {
  const ids = new Set(Object.values(state.hosts).flatMap((host) => host.member.data?.clusterId ?? []));
  for (const clusterId of ids) settle(state, clusterId);
}

function settle(state: WorldState, clusterId: string): void {
  const raft = raftOf(state, clusterId);
  if (leaderOf(state, clusterId) === undefined) {
    raft.leaderId = null;
    const candidate = candidateOf(state, clusterId);
    if (candidate === undefined) {
      raft.electionAtMs = null;
      return;
    }
    raft.electionAtMs ??= state.nowMs + electionMs;
    if (state.nowMs < raft.electionAtMs) return;
    Object.assign(raft, { leaderId: candidate.data.memberId, term: raft.term + 1, electionAtMs: null });
  }
  const leader = leaderOf(state, clusterId);
  if (leader === undefined) return;
  replicate(state, leader);
  publish(state, leader);
}

/** The one with the newest log that a majority would vote for. */
function candidateOf(state: WorldState, clusterId: string): Node | undefined {
  const nodes = nodesOf(state, clusterId).toSorted(
    (a, b) => Number(isNewer(b.data, a.data)) - Number(isNewer(a.data, b.data)),
  );
  return nodes.find((node) => hasQuorum(state, node));
}

/** A started member tells the others its name and where clients find it. */
function publish(state: WorldState, leader: Node): void {
  for (const node of nodesOf(state, leader.data.clusterId)) {
    const members = membersOf(leader.data);
    const own = members.find((member) => member.id === node.data.memberId);
    const clientUrls = (node.process.flags['advertise-client-urls'] ?? '').split(',');
    if (own === undefined || (own.name === node.process.name && own.clientUrls.join() === clientUrls.join())) continue;
    const published = members.map((member) =>
      member.id === own.id ? { ...member, name: node.process.name, clientUrls } : member,
    );
    propose(state, leader, { type: 'members', members: published });
  }
}

/** As etcd computes them: from the peer URL and the token, or from the URL and the second of the adding. */
export function memberId(peerUrls: readonly string[], salt: string): string {
  return `8${digest(`member ${peerUrls.toSorted().join()} ${salt}`, 15)}`;
}

export function clusterIdOf(memberIds: readonly string[]): string {
  return `c${digest(`cluster ${memberIds.toSorted().join()}`, 15)}`;
}

/** It runs where clients do not look for it. */
export function isInQuarantine(process: ProcessState): boolean {
  return process.flags['advertise-client-urls']?.endsWith(':7379') === true;
}
