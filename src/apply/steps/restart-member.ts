import { electionTimeoutMs } from '../../etcd/flags.ts';
import { isHealthy } from '../../observe/live-state.ts';
import { stopGraceMs } from '../grace.ts';
import { agentOf, type StepModule } from '../step-module.ts';

/** Stops a member gracefully and starts it with its new flags. */
export const restartMember: StepModule = {
  timeoutMs: 60_000,

  async act(step, context) {
    const commands = agentOf(context, step.target);
    await commands.stop({ graceMs: stopGraceMs(context.spec) });
    await commands.start({
      member: step.target,
      version: step.detail.version ?? context.spec.version,
      flags: step.detail.flags ?? {},
      electionTimeoutMs: electionTimeoutMs(context.spec),
    });
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const { members, leaderId } = live.etcd.value;
    const member = members.find((candidate) => candidate.host === step.target);
    if (member === undefined || !isHealthy(member)) return 'it is not healthy yet';
    const facts = live.hosts.find((host) => host.name === step.target)?.facts;
    const flags = facts?.known === true ? facts.value.member.process.flags : undefined;
    const isInForce = Object.entries(step.detail.flags ?? {}).every(([name, value]) => flags?.[name] === value);
    if (!isInForce) return 'its agent does not report the new flags';
    // The next step may move leadership or stop another member, so all must agree on a leader first.
    return leaderId === null ? 'there is no leader yet' : undefined;
  },
};
