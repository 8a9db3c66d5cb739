import { memberFlags } from '../etcd/flags.ts';
import { isHealthy, type LiveMember } from '../observe/live-state.ts';
import { peerUrl } from '../spec/cluster-spec.ts';
import { archive } from './archive.ts';
import type { Draft } from './draft.ts';
import { mayBeRestoring } from './restore-state.ts';
import { type ClusterView, type HostView, hostView, isWiped, memberName, quorumOf, type View } from './view.ts';

/**
 * What brings the declared members back: stopped ones are started, wiped ones join again, joins that
 * were cut short are finished. When there is any of it the plan holds nothing else: what comes
 * after is planned from what is then there.
 */
export function planRepair(view: ClusterView, draft: Draft): 'continue' | 'stop' {
  const before = draft.steps.length;
  // One whose host was given up is not started again: it is taken off the list instead.
  for (const host of view.hosts)
    if (host.member !== undefined && host.spec?.cordon !== true) startStopped(view, draft, host);
  if (draft.steps.length > before) return 'stop';
  // From here on the member list changes, which needs the store's witness and every agent concerned.
  if (!view.live.record.known) return 'continue';
  const learner = view.learners[0];
  if (learner !== undefined) finishJoin(view, draft, learner);
  else if (!removeLost(view, draft)) rejoinWiped(view, draft);
  return draft.steps.length > before ? 'stop' : 'continue';
}

/** Starts a member on the data that it has. Nothing inside etcd changes by that. */
export function startStopped(view: View, draft: Draft, host: HostView): void {
  const { spec, record } = view;
  if (host.facts === undefined || host.spec === undefined || mayBeRestoring(view)) return;
  const { process, data } = host.facts.member;
  if (data.state !== 'present' || (process.state !== 'stopped' && process.state !== 'absent')) return;
  draft.step({
    action: 'start-member',
    target: host.name,
    reason: 'not-running',
    risk: 'none',
    requires: ['data-present'],
    ensures: ['member-running'],
    detail: {
      ...(host.member === undefined ? {} : { memberId: host.member.id }),
      // The release that last ran on this data: starting is not the moment to change it.
      version: process.version ?? spec.version,
      // Without the record nobody can tell whether it is in quarantine; it goes on as it was.
      flags: (record === undefined ? process.flags : undefined) ?? memberFlags(spec, host.spec),
    },
  });
}

/** A learner on the list: its join goes on, unless its place is gone. */
function finishJoin(view: ClusterView, draft: Draft, learner: LiveMember): void {
  const host = hostView(view, learner.host);
  if (host?.spec === undefined || host.spec.cordon) {
    removeMember(view, draft, learner, 'learner-not-wanted');
    return;
  }
  if (host.facts === undefined) return;
  const isRunning = host.facts.member.process.state === 'running';
  if (isWiped(host)) {
    removeMember(view, draft, learner, 'disk-wiped');
    joinHost(view, draft, host, 'disk-wiped');
    return;
  }
  if (!isRunning) addLearner(view, draft, host, 'join-interrupted');
  promote(draft, host.name, 'join-interrupted');
}

/** A sick member on a host that the operator has given up (cordoned, or out of the spec) is removed first. */
function removeLost(view: ClusterView, draft: Draft): boolean {
  const lost = view.voters.filter((member) => !isHealthy(member) && isGivenUp(view, member));
  const [first] = lost;
  if (first === undefined || !othersCarryOn(view, first, draft)) return false;
  removeMember(view, draft, first, 'host-given-up');
  return true;
}

function rejoinWiped(view: ClusterView, draft: Draft): boolean {
  const host = view.hosts.find((candidate) => isWiped(candidate) && candidate.member?.isLearner === false);
  if (host?.member === undefined || host.spec === undefined) return false;
  if (view.spec.replace.wipedDisk === 'manual') {
    draft.wait({
      code: 'disk-wiped',
      summary: 'A host came back with an empty disk.',
      detail: `Host ${host.name} has lost the data of member ${host.member.id}; spec.replace.wipedDisk is manual. Set it to automatic, or cordon the host, to replace the member.`,
    });
    return false;
  }
  if (!othersCarryOn(view, host.member, draft)) return false;
  removeMember(view, draft, host.member, 'disk-wiped');
  // With more members than declared, this one is the first that is not needed. And a new member joins only a
  // cluster of healthy ones: while another one is on its way out too, this plan ends here.
  const isWhole = view.voters.every((member) => member.id === host.member?.id || isHealthy(member));
  if (isWhole && view.voters.length <= view.spec.members) joinHost(view, draft, host, 'disk-wiped');
  return true;
}

/** Every other voter must be healthy, or on its way out as well; and the healthy ones a quorum as it is now. */
function othersCarryOn(view: ClusterView, leaving: LiveMember, draft: Draft): boolean {
  const others = view.voters.filter((member) => member.id !== leaving.id);
  const healthy = others.filter(isHealthy);
  const inTheWay = others.filter((member) => !isHealthy(member) && !isOnItsWayOut(view, member));
  if (inTheWay.length === 0 && healthy.length >= quorumOf(view.voters.length)) return true;
  draft.wait({
    code: 'repair-waits',
    summary: 'A member cannot be replaced while another one is unhealthy.',
    detail: `Replacing ${memberName(leaving)} needs the other members healthy and a quorum; not healthy: ${others
      .filter((member) => !isHealthy(member))
      .map(memberName)
      .join(', ')}.`,
  });
  return false;
}

/** The operator said so: its host is cordoned, or out of the spec. */
function isGivenUp(view: ClusterView, member: LiveMember): boolean {
  const host = hostView(view, member.host);
  return host?.spec === undefined || host.spec.cordon;
}

/** It comes back as another member, or not at all. */
function isOnItsWayOut(view: ClusterView, member: LiveMember): boolean {
  const host = hostView(view, member.host);
  return (
    isGivenUp(view, member) || (host !== undefined && isWiped(host) && view.spec.replace.wipedDisk === 'automatic')
  );
}

export function removeMember(view: ClusterView, draft: Draft, member: LiveMember, reason: string): void {
  draft.step({
    action: 'remove-member',
    target: memberName(member),
    reason,
    risk: member.isLearner ? 'none' : 'destructive',
    requires: ['quorum-after'],
    ensures: ['not-a-member'],
    detail: { memberId: member.id, ...(member.peerUrls[0] === undefined ? {} : { peerUrl: member.peerUrls[0] }) },
  });
  const host = hostView(view, member.host);
  if (
    host?.facts === undefined ||
    (host.facts.member.data.state === 'empty' && host.facts.member.process.state !== 'running')
  )
    return;
  archive(draft, host.name, member.id);
}

export function joinHost(view: ClusterView, draft: Draft, host: HostView, reason: string): void {
  addLearner(view, draft, host, reason);
  promote(draft, host.name, reason);
}

function addLearner(view: ClusterView, draft: Draft, host: HostView, reason: string): void {
  if (host.spec === undefined) return;
  draft.step({
    action: 'add-learner',
    target: host.name,
    reason,
    risk: 'none',
    requires: ['healthy', 'no-learner', 'data-empty'],
    ensures: ['learner-started'],
    detail: { version: view.spec.version, peerUrl: peerUrl(host.spec), flags: memberFlags(view.spec, host.spec) },
  });
}

function promote(draft: Draft, host: string, reason: string): void {
  draft.step({
    action: 'promote-member',
    target: host,
    reason,
    risk: 'none',
    requires: ['healthy', 'learner-caught-up'],
    ensures: ['voter', 'member-healthy'],
  });
}
