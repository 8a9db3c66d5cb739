import type { EtcdApi, MemberList } from '../../etcd/api.ts';
import { electionTimeoutMs } from '../../etcd/flags.ts';
import { peerUrl } from '../../spec/cluster-spec.ts';
import { provision } from '../provision.ts';
import { retryReconfiguration } from '../reconfigure.ts';
import { agentOf, etcdOf, hostOf, type StepModule } from '../step-module.ts';

/** A new member joins as a learner: it copies the data without a vote. The host is made ready first. */
export const addLearner: StepModule = {
  timeoutMs: 60_000,

  async act(step, context) {
    const host = hostOf(context, step.target);
    const commands = agentOf(context, step.target);
    const url = peerUrl(host);
    await provision(host, commands, context);
    const etcd = await etcdOf(context);
    const list = await ensureLearner(etcd, url, context);
    await commands.start({
      member: host.name,
      version: context.spec.version,
      flags: step.detail.flags ?? {},
      electionTimeoutMs: electionTimeoutMs(context.spec),
      join: { state: 'existing', initialCluster: initialCluster(list, host.name, url), token: context.spec.name },
    });
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const member = live.etcd.value.members.find((candidate) => candidate.host === step.target);
    if (member === undefined) return 'it is not on the member list';
    return member.name === '' ? 'it has not started yet' : undefined;
  },
};

/** `member add` is not idempotent, so the list is searched for the peer URL first. */
async function ensureLearner(
  etcd: EtcdApi,
  url: string,
  context: Parameters<typeof retryReconfiguration>[0],
): Promise<MemberList> {
  const before = await etcd.memberList();
  if (before.members.some((member) => member.peerUrls.includes(url))) return before;
  await retryReconfiguration(context, () => etcd.memberAddLearner(url));
  return etcd.memberList();
}

function initialCluster(list: MemberList, name: string, url: string): string {
  const entries = list.members.flatMap((member) => {
    const memberName = member.peerUrls.includes(url) ? name : member.name;
    return member.peerUrls.map((peer) => `${memberName}=${peer}`);
  });
  return entries.join(',');
}
