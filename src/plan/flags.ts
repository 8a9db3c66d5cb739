import { memberFlags, runningFlags } from '../etcd/flags.ts';
import { clientUrl, hostUrl, peerUrl } from '../spec/cluster-spec.ts';
import type { Draft } from './draft.ts';
import type { ClusterView, HostView } from './view.ts';

/** Changed etcd flags: members are restarted one at a time, the leader last and after it has handed over. */
export function planFlags(view: ClusterView, draft: Draft): 'continue' | 'stop' {
  if (addressesMoved(view, draft)) return 'stop';
  const outdated = view.hosts.flatMap((host) => {
    const differences = flagDifferences(view, host);
    return differences.length === 0 ? [] : [{ host, differences }];
  });
  for (const { host, differences } of outdated) {
    draft.change(
      `/spec/etcd (${host.name})`,
      differences.map(({ live }) => live),
      differences.map(({ desired }) => desired),
    );
  }
  // One or two voters bear no restart. While the cluster grows or shrinks through that, flags come after.
  if (view.voters.length <= 2 && view.spec.members !== view.voters.length) return 'continue';
  const isLeader = (host: HostView): boolean => host.member?.id === view.cluster.leaderId;
  const followers = outdated.filter(({ host }) => !isLeader(host));
  const leader = outdated.find(({ host }) => isLeader(host));
  for (const { host, differences } of followers) restart(view, draft, host, differences);
  if (leader !== undefined) {
    const to = successor(view, leader.host);
    if (to !== undefined) {
      draft.step({
        action: 'move-leader',
        target: leader.host.name,
        reason: 'leader-last',
        risk: 'leader-moves',
        requires: ['healthy'],
        ensures: ['leader-moved'],
        detail: { to: to.name, ...(to.member === undefined ? {} : { memberId: to.member.id }) },
      });
    }
    restart(view, draft, leader.host, leader.differences);
  }
  return 'continue';
}

interface Difference {
  readonly live: string;
  readonly desired: string;
}

/** Who takes over: a voter on a host that stays, in spec order, so that leadership moves once. */
export function successor(view: ClusterView, leader: HostView, leaving: readonly string[] = []): HostView | undefined {
  const candidates = view.hosts.filter(
    (host) =>
      host.member !== undefined && !host.member.isLearner && host.name !== leader.name && !leaving.includes(host.name),
  );
  return leaving.length > 0 ? candidates[0] : (candidates.find((host) => host.spec?.cordon === false) ?? candidates[0]);
}

function restart(view: ClusterView, draft: Draft, host: HostView, differences: readonly Difference[]): void {
  if (host.spec === undefined) return;
  draft.step({
    action: 'restart-member',
    target: host.name,
    reason: 'flags-changed',
    // A single member cannot be restarted without its cluster being away for that long.
    risk: view.voters.length === 1 ? 'outage' : 'member-restarts',
    requires: ['healthy'],
    ensures: ['member-healthy', 'flags-in-force'],
    detail: {
      ...(host.member === undefined ? {} : { memberId: host.member.id }),
      version: view.spec.version,
      flags: memberFlags(view.spec, host.spec),
      differences: differences.map(({ live, desired }) => `${live} → ${desired}`),
    },
  });
}

function flagDifferences(view: ClusterView, host: HostView): readonly Difference[] {
  const live = host.facts?.member.process.flags;
  if (host.member === undefined || host.spec === undefined || live === undefined) return [];
  const desired = memberFlags(view.spec, host.spec);
  const [running, wanted] = [runningFlags(live), runningFlags(desired)];
  return [...new Set([...Object.keys(live), ...Object.keys(desired)])]
    .toSorted()
    .filter((name) => running[name] !== wanted[name])
    .map((name) => ({ live: flagText(name, live[name]), desired: flagText(name, desired[name]) }));
}

function flagText(name: string, value: string | undefined): string {
  return value === undefined ? `--${name} unset` : `--${name}=${value}`;
}

/** A member whose URLs differ from the spec would have to be told so by etcd first. */
function addressesMoved(view: ClusterView, draft: Draft): boolean {
  let moved = false;
  for (const host of view.hosts) {
    if (host.member === undefined || host.spec === undefined || host.member.name === '') continue;
    // A restored member tells where clients find it when it has started.
    if (host.member.clientUrls.length === 0) continue;
    const expected = [peerUrl(host.spec), clientUrl(host.spec)];
    const live = [...host.member.peerUrls, ...host.member.clientUrls];
    // A release that was cut short leaves members in quarantine; a restart is all that they need.
    const quarantined = hostUrl(host.spec.address, host.spec.ports.quarantine);
    const isAtHome = live.includes(clientUrl(host.spec)) || live.includes(quarantined);
    if (live.includes(peerUrl(host.spec)) && isAtHome) continue;
    moved = true;
    draft.change(`/spec/hosts/${host.name}`, live, expected);
    draft.refuse({
      code: 'address-change-not-supported',
      summary: 'This release of Quorate does not move a running member to another address or port.',
      detail: `Member ${host.name} is at ${live.join(', ')}; the spec says ${expected.join(', ')}.`,
      remedy: `Put the address and ports of host ${host.name} back, or cordon it and add the new address as a host of another name.`,
    });
  }
  return moved;
}
