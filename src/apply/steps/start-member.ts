import { electionTimeoutMs } from '../../etcd/flags.ts';
import { agentOf, type StepModule } from '../step-module.ts';

/** Starts a member on the data that it has. Without `join`, the agent refuses an empty data dir. */
export const startMember: StepModule = {
  timeoutMs: 30_000,

  async act(step, context) {
    await agentOf(context, step.target).start({
      member: step.target,
      version: step.detail.version ?? context.spec.version,
      flags: step.detail.flags ?? {},
      electionTimeoutMs: electionTimeoutMs(context.spec),
    });
  },

  missing(step, live) {
    const facts = live.hosts.find((host) => host.name === step.target)?.facts;
    if (facts?.known !== true) return 'its agent does not answer';
    // Health is not waited for: it may need the next member of the plan to be started too.
    return facts.value.member.process.state === 'running' ? undefined : 'its process does not run';
  },
};
