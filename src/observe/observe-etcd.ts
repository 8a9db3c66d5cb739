import { describeError } from '../base/errors.ts';
import { known, type Observation, unknown } from '../base/observation.ts';
import type { EndpointStatus, EtcdApi, EtcdMember } from '../etcd/api.ts';
import { type ClusterSpec, peerUrl } from '../spec/cluster-spec.ts';
import type { LiveCluster, LiveMember } from './live-state.ts';
import type { Sight } from './sight.ts';

/** The cluster as etcd describes it. The member list needs a quorum, so an answer proves one. */
export async function observeEtcd(
  spec: ClusterSpec,
  endpoints: readonly string[],
  sight: Sight,
): Promise<Observation<LiveCluster>> {
  if (endpoints.length === 0) return unknown('no host could run a member');
  try {
    const etcd = await sight.etcd(endpoints);
    if (etcd === undefined) return unknown('no certificate authority was made for this cluster yet');
    const list = await etcd.memberList();
    const [members, alarms] = await Promise.all([
      Promise.all(list.members.map((member) => observeMember(spec, member, etcd, sight))),
      etcd.alarms(),
    ]);
    return known({
      clusterId: list.clusterId,
      members: members.toSorted((a, b) => (a.name + a.id < b.name + b.id ? -1 : 1)),
      leaderId: leaderOf(members),
      alarms,
    });
  } catch (error) {
    return unknown(describeError(error));
  }
}

async function observeMember(spec: ClusterSpec, member: EtcdMember, etcd: EtcdApi, sight: Sight): Promise<LiveMember> {
  const host = spec.hosts.find((candidate) =>
    member.name === '' ? member.peerUrls.includes(peerUrl(candidate)) : candidate.name === member.name,
  );
  const identity = { ...member, host: host?.name ?? (member.name === '' ? null : member.name) };
  const url = member.clientUrls[0];
  // A learner that is still joining may crash when asked for its status (open upstream), and has nothing to tell.
  if (member.isLearner || url === undefined) {
    const why = member.isLearner ? 'a learner is not asked' : 'it has never started';
    return { ...identity, status: unknown(why), health: unknown(why) };
  }
  const [status, health] = await Promise.all([statusOf(etcd, url), healthOf(sight, url)]);
  return { ...identity, status, health };
}

async function statusOf(etcd: EtcdApi, url: string): Promise<Observation<EndpointStatus>> {
  try {
    return known(await etcd.status(url));
  } catch (error) {
    return unknown(describeError(error));
  }
}

async function healthOf(sight: Sight, url: string): Promise<LiveMember['health']> {
  const result = await sight.probe.health(url);
  return result.healthy ? known({ presented: result.presented }) : unknown(result.reason);
}

/** The leader that the members agree on. While they differ, an election is under way and there is none. */
function leaderOf(members: readonly LiveMember[]): string | null {
  const named = new Set(members.flatMap((member) => (member.status.known ? [member.status.value.leaderId] : [])));
  const [leader] = named;
  return named.size === 1 && leader !== undefined && leader !== '' ? leader : null;
}
