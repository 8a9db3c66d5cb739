import type { TrustDomain } from '../../spec/cluster-spec.ts';
import { issueLeaf } from '../provision.ts';
import { agentOf, hostOf, type StepModule } from '../step-module.ts';

/** Gives a member new leaves. etcd reads them at its next handshake; no restart, and no backup, since nothing in etcd changes. */
export const issueCertificate: StepModule = {
  timeoutMs: 30_000,

  async act(step, context) {
    const commands = agentOf(context, step.target);
    for (const domain of domainsOf(step)) await issueLeaf(hostOf(context, step.target), domain, commands, context);
  },

  missing(step, live, context) {
    const facts = live.hosts.find((host) => host.name === step.target)?.facts;
    if (facts?.known !== true) return 'its agent does not answer';
    const before = context.live.hosts.find((host) => host.name === step.target)?.facts;
    for (const domain of domainsOf(step)) {
      const old = before?.known === true ? before.value.member.certificates[domain]?.fingerprint : undefined;
      const now = facts.value.member.certificates[domain]?.fingerprint;
      if (now === undefined || now === old) return `the ${domain} leaf on disk is still the old one`;
    }
    const member = live.etcd.known
      ? live.etcd.value.members.find((candidate) => candidate.host === step.target)
      : undefined;
    const presented = member?.health.known === true ? member.health.value.presented.fingerprint : undefined;
    const onDisk = facts.value.member.certificates.client?.fingerprint;
    return presented !== undefined && presented !== onDisk ? 'the old client leaf is still presented' : undefined;
  },
};

function domainsOf(step: Parameters<StepModule['act']>[0]): readonly TrustDomain[] {
  return step.detail.domains ?? ['peer', 'client'];
}
