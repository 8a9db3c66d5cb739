import type { JoinMode } from '../../../src/agent/wire.ts';
import type { EtcdMember } from '../../../src/etcd/api.ts';
import { clusterIdOf, leaderOf, memberId, nodesOf } from './raft.ts';
import { type DataDir, membersOf, type WorldState } from './state.ts';

/** What a start of etcd comes to: data to run on, or the last words of the process. */
export type Started = { readonly data: DataDir } | { readonly dies: string };

export interface Place {
  readonly name: string;
  readonly url: string;
}

/** etcd's own rules for the first start on an empty data dir; it ignores `join` where data is. */
export function firstStart(state: WorldState, name: string, ownUrl: string, join: JoinMode): Started {
  const places = placesOf(join.initialCluster);
  if (!places.some((place) => place.name === name && place.url === ownUrl))
    return { dies: `couldn't find local name "${name}" in the initial cluster configuration` };
  return join.state === 'new' ? formCluster(state, ownUrl, places, join.token) : joinCluster(state, ownUrl, places);
}

function formCluster(state: WorldState, ownUrl: string, places: readonly Place[], token: string): Started {
  const members = places.map(
    ({ name, url }): EtcdMember => ({
      id: memberId([url], token),
      name,
      peerUrls: [url],
      clientUrls: [],
      isLearner: false,
    }),
  );
  const clusterId = clusterIdOf(members.map((member) => member.id));
  const own = memberId([ownUrl], token);
  // The only fence that etcd itself has: a running peer that knows this member as one that has run.
  for (const node of nodesOf(state, clusterId)) {
    const known = membersOf(node.data).find((member) => member.id === own);
    if (known !== undefined && known.clientUrls.length > 0)
      return { dies: `member ${own} has already been bootstrapped` };
  }
  // The same on every member, so that the first entries of all logs are the same.
  return { data: { clusterId, memberId: own, log: [{ id: `0.0.${clusterId}`, term: 0, type: 'members', members }] } };
}

function joinCluster(state: WorldState, ownUrl: string, places: readonly Place[]): Started {
  for (const host of Object.values(state.hosts)) {
    const { data, process } = host.member;
    const url = process?.flags['initial-advertise-peer-urls'];
    if (data === null || url === undefined || !places.some((place) => place.url === url && url !== ownUrl)) continue;
    const members = membersOf(leaderOf(state, data.clusterId)?.data ?? data);
    const isSame =
      members.length === places.length &&
      members.every((member) => member.peerUrls.some((peer) => places.some((place) => place.url === peer)));
    if (!isSame) return { dies: 'error validating peerURLs: member count is unequal' };
    const own = members.find((member) => member.peerUrls.includes(ownUrl));
    if (own === undefined) return { dies: 'unmatched member while checking PeerURLs' };
    return { data: { clusterId: data.clusterId, memberId: own.id, log: [] } };
  }
  return { dies: 'cannot fetch cluster info from peer urls' };
}

/** `name=peerURL,…` */
export function placesOf(initialCluster: string): readonly Place[] {
  return initialCluster.split(',').map((entry): Place => {
    const at = entry.indexOf('=');
    return { name: entry.slice(0, at), url: entry.slice(at + 1) };
  });
}
