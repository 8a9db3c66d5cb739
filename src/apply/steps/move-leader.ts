import { QuorateError } from '../../base/errors.ts';
import type { EtcdApi } from '../../etcd/api.ts';
import { clientUrl } from '../../spec/cluster-spec.ts';
import { etcdOf, hostOf, type StepModule } from '../step-module.ts';

/** Hands leadership to a named voter, so that stopping the old leader costs no election. */
export const moveLeader: StepModule = {
  timeoutMs: 15_000,

  async act(step, context) {
    const etcd = await etcdOf(context);
    const list = await etcd.memberList();
    const to = list.members.find((member) => member.name === step.detail.to);
    const leader = context.live.etcd.known ? context.live.etcd.value.leaderId : null;
    if (to === undefined || leader === null) {
      throw new QuorateError({
        code: 'no-leader',
        kind: 'transient',
        operation: `move leadership to ${step.detail.to}`,
        summary: to === undefined ? 'it is not on the member list' : 'there is no leader at the moment',
      });
    }
    if (leader === to.id) return;
    // Only the leader itself can hand over, whichever member that is by now.
    const holder = list.members.find((member) => member.id === leader);
    const url = holder?.clientUrls[0] ?? clientUrl(hostOf(context, step.target));
    await handOver(etcd, url, to.id);
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const { members, leaderId } = live.etcd.value;
    const leader = members.find((member) => member.id === leaderId);
    if (leader === undefined) return 'there is no leader yet';
    return leader.host === step.target ? `${step.target} still leads` : undefined;
  },
};

const attempts = 3;

/**
 * raft drops a transfer without a word when the target has not yet heard that it is a voter, or lags for an
 * election time-out; etcd then answers nothing until its own deadline.
 */
async function handOver(etcd: EtcdApi, leaderUrl: string, targetId: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await etcd.moveLeader(leaderUrl, targetId);
    } catch (error) {
      const isSilent = error instanceof QuorateError && error.code === 'etcd-timeout';
      if (!isSilent || attempt === attempts) throw error;
      if ((await etcd.status(leaderUrl)).leaderId === targetId) return;
    }
  }
}
