import { isHealthy, type LiveCluster, type LiveMember } from '../observe/live-state.ts';
import { guardBootstrap } from './guard-bootstrap.ts';
import { facts, type GuardInput, refuse } from './guard-input.ts';
import { guardRelease, guardRestore } from './guard-restore.ts';

/**
 * The invariants, checked at the moment of acting against what is really there. They do not trust the
 * planner and share no code with it: a wrong plan must fail here. Throws QuorateError of kind `refused`.
 */
export function guard(input: GuardInput): void {
  fenced(input);
  switch (input.step.action) {
    case 'backup':
      cluster(input);
      return;
    case 'bootstrap-cluster':
      guardBootstrap(input);
      return;
    case 'restore-cluster':
      guardRestore(input);
      return;
    case 'release':
      guardRelease(input);
      return;
    case 'start-member':
      guardStart(input);
      return;
    case 'issue-certificate':
      guardIssue(input);
      return;
    case 'restart-member':
      backedUp(input);
      guardRestart(input);
      return;
    case 'move-leader':
      backedUp(input);
      guardMoveLeader(input);
      return;
    case 'add-learner':
      backedUp(input);
      guardAdd(input);
      return;
    case 'promote-member':
      backedUp(input);
      guardPromote(input);
      return;
    case 'remove-member':
      backedUp(input);
      guardRemove(input);
      return;
    case 'archive-data':
      backedUp(input);
      guardArchive(input);
      return;
  }
}

/** Invariant 6, also for what goes straight to etcd: no agent has heard of a newer run. */
function fenced(input: GuardInput): void {
  for (const host of input.live.hosts) {
    if (host.facts.known && host.facts.value.member.epoch > input.epoch)
      refuse(
        input,
        'stale-epoch',
        `${host.name} has seen epoch ${host.facts.value.member.epoch}, this run has ${input.epoch}`,
      );
  }
}

/** A quorum answers, and it is the cluster on record. */
function cluster(input: GuardInput): LiveCluster {
  const { etcd, record } = input.live;
  if (!etcd.known) return refuse(input, 'no-quorum', `no quorum answers (${etcd.reason})`);
  if (!record.known) return refuse(input, 'store-unknown', `the record cannot be read (${record.reason})`);
  const recorded = record.value?.record.clusterId ?? null;
  if (recorded !== null && recorded !== etcd.value.clusterId)
    return refuse(input, 'cluster-id-mismatch', `cluster ${etcd.value.clusterId} answers, ${recorded} is on record`);
  return etcd.value;
}

/** Invariant 1: no change without a verified backup of this cluster, taken in this run. */
function backedUp(input: GuardInput): void {
  const { clusterId } = cluster(input);
  if (input.backup === null) refuse(input, 'backup-missing', 'no verified backup was taken in this run');
  else if (input.backup.clusterId !== clusterId)
    refuse(
      input,
      'backup-missing',
      `backup ${input.backup.name} is of cluster ${input.backup.clusterId}, not ${clusterId}`,
    );
}

function voters(input: GuardInput): readonly LiveMember[] {
  return cluster(input).members.filter((member) => !member.isLearner);
}

/** Healthy voters beyond quorum: how many more may fail. */
function tolerance(members: readonly LiveMember[]): number {
  return members.filter(isHealthy).length - (Math.trunc(members.length / 2) + 1);
}

function allHealthy(input: GuardInput, except?: string): void {
  const sick = voters(input).filter((member) => member.id !== except && !isHealthy(member));
  if (sick.length > 0)
    refuse(input, 'not-healthy', `${sick.map((member) => member.name || member.id).join(', ')} is not healthy`);
}

/** Invariants 2 and 4: nobody else is down, and the rest is a quorum. A single member is its own outage. */
function guardRestart(input: GuardInput): void {
  const all = voters(input);
  const target = all.find((member) => member.host === input.step.target);
  if (target === undefined) return refuse(input, 'not-a-member', `${input.step.target} runs no voter`);
  allHealthy(input, target.id);
  if (all.length === 1) {
    if (input.step.risk !== 'outage' || input.spec.members !== 1)
      refuse(input, 'quorum-at-risk', 'restarting the only member is an outage that the plan does not state');
    return;
  }
  const rest = all.filter((member) => member.id !== target.id).filter(isHealthy).length;
  if (rest < Math.trunc(all.length / 2) + 1)
    refuse(input, 'quorum-at-risk', `only ${rest} of ${all.length} voters would be left`);
  if (cluster(input).leaderId === target.id && all.length > 1)
    refuse(input, 'leader-must-move', `${input.step.target} leads; it hands over before it is restarted`);
}

function guardMoveLeader(input: GuardInput): void {
  allHealthy(input);
  const to = voters(input).find((member) => member.host === input.step.detail.to);
  if (to === undefined) refuse(input, 'not-a-member', `${input.step.detail.to} runs no voter`);
  else if (!isHealthy(to)) refuse(input, 'not-healthy', `${input.step.detail.to} is not healthy`);
}

/** Invariant 3: one membership change at a time, on a healthy cluster, and onto an empty host. */
function guardAdd(input: GuardInput): void {
  allHealthy(input);
  const { members, clusterId } = cluster(input);
  const others = members.filter((member) => member.isLearner && !isTarget(input, member));
  if (others.length > 0) refuse(input, 'membership-change-in-progress', `learner ${others[0]?.id} is still joining`);
  if (!input.spec.hosts.some((host) => host.name === input.step.target && !host.cordon))
    refuse(input, 'host-not-declared', `${input.step.target} is not a host of the spec, or it is cordoned`);
  if (voters(input).some((member) => isTarget(input, member)))
    refuse(input, 'already-a-member', `${input.step.target} runs a voter already`);
  const isSwap = voters(input).some(
    (member) => !input.spec.hosts.some((host) => host.name === member.host && !host.cordon),
  );
  if (voters(input).length > input.spec.members || (voters(input).length === input.spec.members && !isSwap))
    refuse(input, 'too-many-members', `${voters(input).length} voters run, ${input.spec.members} are declared`);
  const { data } = facts(input).member;
  if (data.state === 'empty') return;
  const isOwn =
    data.clusterId === clusterId && members.some((member) => member.isLearner && member.id === data.memberId);
  if (!isOwn)
    refuse(input, 'hosts-not-empty', `${input.step.target} holds data of ${data.clusterId ?? 'an unknown cluster'}`);
}

function isTarget(input: GuardInput, member: LiveMember): boolean {
  const url = input.step.detail.peerUrl;
  return member.host === input.step.target || (url !== undefined && member.peerUrls.includes(url));
}

function guardPromote(input: GuardInput): void {
  allHealthy(input);
  const learner = cluster(input).members.find((member) => member.host === input.step.target);
  if (learner === undefined) refuse(input, 'not-a-member', `${input.step.target} is not on the member list`);
}

/** Others that are down must be given up by the spec, or have lost their disk: nobody whose return is awaited. */
function othersHealthyOrGone(input: GuardInput, target: string): void {
  const awaited = voters(input).filter((member) => {
    if (member.id === target || isHealthy(member)) return false;
    const isDeclared = input.spec.hosts.some((host) => host.name === member.host && !host.cordon);
    return isDeclared && !hasLostItsDisk(input, member);
  });
  if (awaited.length > 0)
    refuse(input, 'not-healthy', `${awaited.map((member) => member.name || member.id).join(', ')} is not healthy`);
}

function hasLostItsDisk(input: GuardInput, member: LiveMember): boolean {
  return input.live.hosts.some(
    (host) =>
      !isHealthy(member) &&
      host.name === member.host &&
      host.facts.known &&
      host.facts.value.member.data.state === 'empty' &&
      host.facts.value.member.process.state !== 'running',
  );
}

function guardRemove(input: GuardInput): void {
  const { members, leaderId } = cluster(input);
  const target = members.find((member) => member.id === input.step.detail.memberId);
  // Removed already: doing it again is a no-op.
  if (target === undefined || target.isLearner) return;
  const all = voters(input);
  const rest = all.filter((member) => member.id !== target.id);
  if (rest.length === 0) refuse(input, 'last-member', 'the last member is never removed');
  // A dead member may go while another one is dead, when neither is awaited; a healthy one only from a healthy cluster.
  if (isHealthy(target)) allHealthy(input, target.id);
  else othersHealthyOrGone(input, target.id);
  const learner = members.find((member) => member.isLearner);
  if (learner !== undefined) refuse(input, 'membership-change-in-progress', `learner ${learner.id} is still joining`);
  if (rest.filter(isHealthy).length < Math.trunc(rest.length / 2) + 1)
    refuse(input, 'quorum-at-risk', `${rest.filter(isHealthy).length} of ${rest.length} voters would be healthy`);
  if (!isHealthy(target)) return;
  if (hasLostItsDisk(input, target)) return;
  if (rest.length < input.spec.members)
    refuse(input, 'too-few-members', `${rest.length} voters would be left, ${input.spec.members} are declared`);
  if (tolerance(all) >= 1 && tolerance(rest) < 1 && input.spec.members > 2)
    refuse(input, 'quorum-at-risk', 'not one more failure could be borne, and the spec does not declare that');
  if (leaderId === target.id)
    refuse(input, 'leader-must-move', `${target.name} leads; it hands over before it is removed`);
}

/** Only what no member list names is moved away, and only this cluster's data. */
function guardArchive(input: GuardInput): void {
  const { members, clusterId } = cluster(input);
  const { data } = facts(input).member;
  if (data.state === 'empty') return;
  const record = input.live.record.known ? input.live.record.value?.record : undefined;
  if (data.clusterId !== undefined && record?.replaced?.includes(data.clusterId) === true) return;
  if (data.clusterId !== clusterId)
    refuse(
      input,
      'hosts-not-empty',
      `the data on ${input.step.target} belongs to ${data.clusterId ?? 'an unknown cluster'}`,
    );
  const holder = members.find((member) =>
    data.memberId === undefined ? member.host === input.step.target : member.id === data.memberId,
  );
  if (holder !== undefined)
    refuse(input, 'still-a-member', `${input.step.target} holds the data of member ${holder.id}, which is on the list`);
}

/** Only data of the cluster that the record or the host itself remembers is brought to life. */
function guardStart(input: GuardInput): void {
  const { data, latched } = facts(input).member;
  if (data.state !== 'present') refuse(input, 'no-data', `${input.step.target} has no data to start on`);
  if (!input.live.record.known && facts(input).member.process.state === 'absent')
    refuse(
      input,
      'store-unknown',
      `${input.step.target} has never run what it holds, and the record cannot say whether it may`,
    );
  const recorded = input.live.record.known ? input.live.record.value?.record.clusterId : undefined;
  const expected = recorded ?? latched?.clusterId;
  if (expected === undefined || expected !== data.clusterId)
    refuse(
      input,
      'cluster-id-mismatch',
      `${input.step.target} holds data of ${data.clusterId ?? 'an unknown cluster'}, on record is ${expected ?? 'none'}`,
    );
}

function guardIssue(input: GuardInput): void {
  facts(input);
  if (!input.live.authorities.known) refuse(input, 'keystore-unknown', input.live.authorities.reason);
  if (!input.spec.hosts.some((host) => host.name === input.step.target))
    refuse(input, 'host-not-declared', `${input.step.target} is not a host of the spec`);
}
