import { QuorateError } from '../../base/errors.ts';
import { waitUntil } from '../../base/wait.ts';
import { electionTimeoutMs, memberFlags } from '../../etcd/flags.ts';
import { isHealthy } from '../../observe/live-state.ts';
import { clientUrl } from '../../spec/cluster-spec.ts';
import { stopGraceMs } from '../grace.ts';
import { retryReconfiguration } from '../reconfigure.ts';
import { agentOf, etcdOf, hostOf, type StepContext, type StepModule } from '../step-module.ts';

/** How long a learner may take to catch up, in milliseconds: 8 GiB at 10 MiB/s, and as much again. */
const catchUpMs = 30 * 60_000;

/** A learner that started well serves within this, in milliseconds. */
const servingMs = 1500;

/** Gives a caught-up learner its vote. One that does not catch up in time is taken off the list again. */
export const promoteMember: StepModule = {
  timeoutMs: 30_000,

  async act(step, context) {
    const etcd = await etcdOf(context);
    const member = (await etcd.memberList()).members.find((candidate) => candidate.name === step.target);
    if (member === undefined) {
      throw new QuorateError({
        code: 'not-a-member',
        kind: 'transient',
        operation: `promote ${step.target}`,
        summary: 'no started learner of this name is on the member list',
      });
    }
    if (!member.isLearner) return;
    await ensureServing(step.target, context);
    let told = context.sight.clock.monotonic();
    const waited = await waitUntil(
      context.sight.clock,
      { timeoutMs: catchUpMs, intervalMs: 50, signal: context.signal },
      async () => {
        try {
          await retryReconfiguration(context, () => etcd.memberPromote(member.id));
          return true;
        } catch (error) {
          if (!(error instanceof QuorateError) || error.code !== 'learner-not-ready') throw error;
          if (context.sight.clock.monotonic() - told > 5_000) {
            told = context.sight.clock.monotonic();
            context.progress(`${step.target} is catching up`);
          }
          return undefined;
        }
      },
    );
    if (waited.seen) return;
    await giveUp(step.target, member.id, context);
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const member = live.etcd.value.members.find((candidate) => candidate.host === step.target);
    if (member === undefined) return 'it is not on the member list';
    if (member.isLearner) return 'it is still a learner';
    return isHealthy(member) ? undefined : 'it is not healthy yet';
  },
};

/**
 * A member serves clients only after its name got through raft. When that entry reaches it inside of a
 * snapshot it waits for it in vain until a time-out of 5 s + 2 × election timeout. Restarting the learner,
 * which has no vote yet, spares that wait.
 */
async function ensureServing(host: string, context: StepContext): Promise<void> {
  const { spec, sight } = context;
  const place = hostOf(context, host);
  const serving = await waitUntil(
    sight.clock,
    { timeoutMs: servingMs, intervalMs: 50, signal: context.signal },
    async () => {
      const result = await sight.probe.health(clientUrl(place));
      // A learner may call itself unhealthy; that its port answers is enough.
      return result.healthy || result.presented !== undefined ? true : undefined;
    },
  );
  if (serving.seen) return;
  context.progress(`${host} does not serve yet; it is started once more`);
  const commands = agentOf(context, host);
  await commands.stop({ graceMs: stopGraceMs(spec) });
  await commands.start({
    member: host,
    version: spec.version,
    flags: memberFlags(spec, place),
    electionTimeoutMs: electionTimeoutMs(spec),
  });
}

async function giveUp(host: string, memberId: string, context: StepContext): Promise<never> {
  const etcd = await etcdOf(context);
  await etcd.memberRemove(memberId);
  const commands = agentOf(context, host);
  await commands.stop({ graceMs: stopGraceMs(context.spec) });
  await commands.archiveData({ reason: 'never-caught-up' });
  throw new QuorateError({
    code: 'learner-never-ready',
    kind: 'stalled',
    operation: `promote ${host}`,
    summary: `the learner did not catch up within ${catchUpMs / 60_000} minutes and was removed again`,
    remedy: `Look at disk and network of ${host}: it must receive faster than the cluster writes.`,
  });
}
