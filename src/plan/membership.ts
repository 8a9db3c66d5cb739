import { isHealthy } from '../observe/live-state.ts';
import { archive } from './archive.ts';
import type { Draft } from './draft.ts';
import { successor } from './flags.ts';
import { type Candidate, nominate } from './nominate.ts';
import { joinHost, removeMember } from './repair.ts';
import { type ClusterView, type HostView, hostView, memberName } from './view.ts';

/** The number of members, and on which hosts they run. One change at a time; new members join as learners. */
export function planMembership(seen: ClusterView, draft: Draft): 'continue' | 'stop' {
  const view = afterMoves(seen, draft);
  const desired = nominate(view.spec, candidatesOf(view)).map((host) => host.name);
  const current = view.voters.map(memberName);
  const joining = desired.filter((name) => !current.includes(name));
  const leaving = view.voters.filter((member) => member.host === null || !desired.includes(member.host));
  if (view.spec.members !== view.voters.length) draft.change('/spec/members', view.voters.length, view.spec.members);
  if (desired.length < view.spec.members) tooFewHosts(view, desired, draft);
  if (joining.length + leaving.length === 0) return 'continue';
  if (isBootstrapInTheWay(view, draft)) return 'stop';
  for (const name of joining) if (isOccupied(view, name, draft)) return 'stop';

  let voters = view.voters.length;
  const add = [...joining];
  const remove = removalOrder(view, leaving);
  // Each turn adds or removes one; both lists are at most 32 long.
  while (add.length + remove.length > 0) {
    // In a swap the new member comes first, so that the tolerance never shrinks meanwhile.
    const next = voters <= view.spec.members ? add.shift() : undefined;
    const host = next === undefined ? undefined : hostView(view, next);
    if (host !== undefined) {
      joinHost(view, draft, host, leaving.length > 0 && voters >= view.spec.members ? 'evacuate' : 'scale-up');
      voters++;
      continue;
    }
    // Without a spare a member stays where it is: leaving early would cost the tolerance of a failure.
    if (voters <= view.spec.members) break;
    const member = remove.shift();
    if (member === undefined) break;
    const place = hostView(view, member.host);
    if (member.id === view.cluster.leaderId && place !== undefined)
      handOver(view, draft, place, leaving.map(memberName), joining);
    removeMember(view, draft, member, place?.spec === undefined || place.spec.cordon ? 'evacuate' : 'scale-down');
    voters--;
  }
  return 'continue';
}

/** Restarts that come earlier in this plan may have moved leadership; what follows reckons with that. */
function afterMoves(view: ClusterView, draft: Draft): ClusterView {
  const to = draft.steps.findLast((step) => step.action === 'move-leader')?.detail.to;
  const leaderId = hostView(view, to ?? null)?.member?.id;
  return leaderId === undefined ? view : { ...view, cluster: { ...view.cluster, leaderId } };
}

function candidatesOf(view: ClusterView): readonly Candidate[] {
  return view.spec.hosts.flatMap((spec): Candidate[] => {
    const host = hostView(view, spec.name);
    if (host === undefined) return [];
    return [
      {
        spec,
        isMember: host.member !== undefined,
        isHealthy: host.member !== undefined && isHealthy(host.member),
        isLeader: host.member?.id === view.cluster.leaderId,
        isAvailable: host.facts !== undefined,
      },
    ];
  });
}

/** Followers before the leader, so that it hands over at most once; later hosts before earlier. */
function removalOrder(view: ClusterView, leaving: ClusterView['voters']): ClusterView['voters'][number][] {
  const place = (name: string): number => view.hosts.findIndex((host) => host.name === name);
  return leaving.toSorted(
    (a, b) =>
      Number(a.id === view.cluster.leaderId) - Number(b.id === view.cluster.leaderId) ||
      place(memberName(b)) - place(memberName(a)),
  );
}

function handOver(
  view: ClusterView,
  draft: Draft,
  leader: HostView,
  leaving: readonly string[],
  joined: readonly string[],
): void {
  const stays = successor(view, leader, leaving);
  // When every present member leaves, one that joined earlier in this plan takes over.
  const to = stays?.name ?? joined[0];
  if (to === undefined) return;
  draft.step({
    action: 'move-leader',
    target: leader.name,
    reason: 'leader-leaves',
    risk: 'leader-moves',
    requires: ['healthy'],
    ensures: ['leader-moved'],
    detail: { to, ...(stays?.member === undefined ? {} : { memberId: stays.member.id }) },
  });
}

function tooFewHosts(view: ClusterView, desired: readonly string[], draft: Draft): void {
  const missing = view.spec.hosts
    .filter((host) => !host.cordon && !desired.includes(host.name))
    .map((host) => host.name);
  draft.wait({
    code: 'spare-unreachable',
    summary: 'There are not enough reachable hosts for the declared members.',
    detail: `${view.spec.members} members are declared; ${desired.join(', ')} can run one.${missing.length > 0 ? ` No answer from: ${missing.join(', ')}.` : ''}`,
  });
}

/** Changing the count with the bootstrap words still there is how clusters get bootstrapped twice. */
function isBootstrapInTheWay(view: ClusterView, draft: Draft): boolean {
  const { bootstrap, members, name } = view.spec;
  // An interrupted swap may leave one voter more than declared: finishing it is not a change of the count.
  const declaredBefore = view.record?.members ?? view.voters.length;
  if (bootstrap === undefined || declaredBefore === members) return false;
  draft.refuse({
    code: 'bootstrap-still-declared',
    summary: 'The member count changes while the spec still declares a bootstrap.',
    detail: `${name} was declared with ${declaredBefore} members and is to have ${members}; bootstrap.id ${bootstrap.id} has done its work. Left in the file, it could be taken for an order to create the cluster again with the new hosts.`,
    remedy: `Remove this line in the same commit:\n  bootstrap: { id: ${bootstrap.id}, … }`,
  });
  return true;
}

/** A host that is to join must be empty, or hold what this very cluster left there. */
function isOccupied(view: ClusterView, name: string, draft: Draft): boolean {
  const facts = hostView(view, name)?.facts;
  if (facts === undefined || facts.member.data.state === 'empty') return false;
  const { clusterId, memberId } = facts.member.data;
  // Data of a removed member of this cluster: leftovers archives it, the next plan joins the host.
  if (clusterId === view.cluster.clusterId && memberId !== undefined) {
    archive(draft, name, memberId);
    return true;
  }
  draft.refuse({
    code: 'hosts-not-empty',
    summary: 'A host that is to run a new member holds data.',
    detail: `Host ${name} holds data of ${clusterId === undefined ? 'an unknown cluster' : `cluster ${clusterId}`}; the running cluster is ${view.cluster.clusterId}.`,
    remedy: `Move the data dir on ${name} away by hand if it is not needed, or name another host.`,
  });
  return true;
}
