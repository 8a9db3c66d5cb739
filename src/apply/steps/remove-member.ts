import { QuorateError } from '../../base/errors.ts';
import { retryReconfiguration } from '../reconfigure.ts';
import { etcdOf, type StepModule } from '../step-module.ts';

/** Takes a member off the list. Its process is stopped only after that is committed, by `archive-data`. */
export const removeMember: StepModule = {
  timeoutMs: 30_000,

  async act(step, context) {
    const id = step.detail.memberId ?? '';
    const etcd = await etcdOf(context);
    try {
      await retryReconfiguration(context, () => etcd.memberRemove(id));
    } catch (error) {
      // Gone already: an earlier try had come this far.
      if (!(error instanceof QuorateError) || error.code !== 'member-not-found') throw error;
    }
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    return live.etcd.value.members.some((member) => member.id === step.detail.memberId)
      ? 'it is still on the member list'
      : undefined;
  },
};
