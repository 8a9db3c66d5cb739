import { stopGraceMs } from '../grace.ts';
import { agentOf, type StepModule } from '../step-module.ts';

/** Stops what runs on a host that is no member, and renames its data dir. Nothing is deleted. */
export const archiveData: StepModule = {
  timeoutMs: 30_000,

  async act(step, context) {
    const commands = agentOf(context, step.target);
    await commands.stop({ graceMs: stopGraceMs(context.spec) });
    await commands.archiveData({ reason: step.reason });
  },

  missing(step, live) {
    const facts = live.hosts.find((host) => host.name === step.target)?.facts;
    if (facts?.known !== true) return 'its agent does not answer';
    if (facts.value.member.process.state === 'running') return 'etcd still runs';
    return facts.value.member.data.state === 'present' ? 'the data dir is still in place' : undefined;
  },
};
