import { describeError, QuorateError } from '../base/errors.ts';
import { settleAll } from '../base/settle.ts';
import type { EndpointStatus, EtcdApi } from '../etcd/api.ts';
import type { BackupOrigin } from './backup-origin.ts';

type Answer = { readonly url: string } & (
  | { readonly status: EndpointStatus }
  | { readonly status?: undefined; readonly reason: string }
);

/**
 * From any etcd, by its client URLs alone: a healthy follower, else the leader. Only the given URLs are asked, since
 * those that members advertise need not be within reach. Rejects with `backup-failed` when none of them is a healthy
 * voter, and with the errors of the client when there is no quorum or the URLs belong to several clusters.
 */
export async function endpointsOrigin(
  etcd: EtcdApi,
  endpoints: readonly string[],
  cluster: string,
): Promise<BackupOrigin> {
  // Needs a quorum, and comes first: what the members tell afterwards is not older.
  const { clusterId, members } = await etcd.memberList();
  const answers = await settleAll(endpoints.map((url) => ask(etcd, url)));
  const stranger = answers.find(({ status }) => status !== undefined && status.clusterId !== clusterId);
  if (stranger?.status !== undefined) throw severalClusters(cluster, clusterId, stranger.url, stranger.status);
  const healthy = answers.flatMap(({ url, status }) => {
    const member = members.find(({ id }) => id === status?.memberId);
    if (status === undefined || member === undefined || member.isLearner || status.leaderId === '') return [];
    return [{ url, status, member }];
  });
  const chosen = healthy.find(({ status, member }) => status.leaderId !== member.id) ?? healthy[0];
  if (chosen === undefined) throw noneHealthy(cluster, answers);
  return {
    etcd,
    url: chosen.url,
    source: chosen.member.name,
    clusterId,
    members,
    revision: Math.max(...healthy.map(({ status }) => status.revision)),
  };
}

async function ask(etcd: EtcdApi, url: string): Promise<Answer> {
  try {
    return { url, status: await etcd.status(url) };
  } catch (error) {
    return { url, reason: describeError(error) };
  }
}

function severalClusters(cluster: string, clusterId: string, url: string, status: EndpointStatus): QuorateError {
  return new QuorateError({
    code: 'endpoints-of-several-clusters',
    kind: 'invalid',
    operation: `back up ${cluster}`,
    summary: `${url} belongs to the cluster ${status.clusterId}, another endpoint to ${clusterId}`,
    remedy: 'Name endpoints of one cluster. Each cluster has a --cluster of its own in the store.',
  });
}

function noneHealthy(cluster: string, answers: readonly Answer[]): QuorateError {
  const reasons = answers.map((answer) =>
    answer.status === undefined ? answer.reason : `${answer.url} is no voter that sees a leader`,
  );
  return new QuorateError({
    code: 'backup-failed',
    kind: 'transient',
    operation: `back up ${cluster}`,
    summary: `no healthy voter among the endpoints: ${reasons.join('; ')}`,
    remedy: 'Name the client URLs of voters; a learner cannot give a snapshot.',
  });
}
