import type { CertificateFacts } from '../agent/wire.ts';
import type { TrustDomain } from '../spec/cluster-spec.ts';
import type { Authority } from '../tls/keystore.ts';
import { memberNames } from '../tls/names.ts';
import { renewalDueAtMs } from '../tls/renewal.ts';
import type { Draft } from './draft.ts';
import type { Notice } from './plan.ts';
import type { HostView, View } from './view.ts';

const domains: readonly TrustDomain[] = ['peer', 'client'];
/** From this part of an authority's life on, the plan warns. */
const authorityWarnAt = 0.8;

/** Leaves: renewed at two thirds of their life, without a commit and without a restart; and whatever no longer fits. */
export function planCertificates(view: View, draft: Draft): 'continue' | 'stop' {
  if (!view.live.authorities.known) return 'continue';
  const authorities = view.live.authorities.value;
  const hosts = view.hosts.filter(hasMember);
  if (hosts.length === 0) return 'continue';
  /** Domain and host where a leaf of the declared authority would be turned away. */
  const refused = new Set<string>();
  for (const domain of domains) {
    const name = view.spec.tls[domain].issue;
    const authority = authorities[name];
    if (authority === undefined) {
      draft.refuse(unknownAuthority(view, domain, name));
      for (const host of hosts) refused.add(`${domain} ${host.name}`);
      continue;
    }
    warnOfOldAuthority(view, draft, authority);
    for (const host of hosts) {
      const live = host.facts?.member.certificates[domain];
      if (host.spec === undefined || live === undefined || live === null) continue;
      if (live.trust.includes(authority.fingerprint)) continue;
      refused.add(`${domain} ${host.name}`);
      if (live.trust.length === 0) draft.wait(unreadableTrust(host.name, domain));
      else draft.refuse(untrusted(host.name, domain, name));
    }
  }
  for (const host of hosts) {
    const stale = domains.flatMap((domain) => {
      const why = refused.has(`${domain} ${host.name}`) ? undefined : staleReason(view, host, domain, authorities);
      return why === undefined ? [] : [{ domain, why }];
    });
    if (stale.length === 0) continue;
    draft.step({
      action: 'issue-certificate',
      target: host.name,
      reason: stale.some(({ why }) => why === 'renewal-due') ? 'renewal-due' : 'leaf-outdated',
      risk: 'none',
      requires: ['agent-reachable'],
      ensures: ['certificate-presented'],
      detail: {
        domains: stale.map(({ domain }) => domain),
        differences: stale.map(({ domain, why }) => `${domain}: ${why}`),
      },
    });
  }
  return 'continue';
}

function unreadableTrust(host: string, domain: TrustDomain): Notice {
  return {
    code: 'trust-unreadable',
    summary: 'A trust file cannot be read.',
    detail: `The ${domain} trust file on host ${host} holds no certificate that can be read. The running member has its copy; at its next start it would turn everyone away. Put the file back from another host of the cluster.`,
  };
}

/**
 * A place where a leaf is in use: a member on the list that has its data (a wiped one gets its leaves when it
 * joins again); or, while nobody answers, a host that has run a member on the data it holds.
 */
function hasMember(host: HostView): boolean {
  const member = host.facts?.member;
  if (member?.data.state !== 'present') return false;
  return host.member !== undefined || (member.latched !== null && member.certificates.peer !== null);
}

function staleReason(
  view: View,
  host: HostView,
  domain: TrustDomain,
  authorities: Readonly<Record<string, Authority>>,
): string | undefined {
  if (host.spec === undefined || host.facts === undefined) return undefined;
  const live: CertificateFacts | null = host.facts.member.certificates[domain];
  if (live === null) return 'missing';
  if (renewalDueAtMs(live) <= view.nowMs) return 'renewal-due';
  if (live.issuer !== authorities[view.spec.tls[domain].issue]?.subject) return 'other-issuer';
  if (live.keyType !== view.spec.tls.leaf.keyType) return 'other-key-type';
  const missing = memberNames(host.spec.name, host.spec.address).filter((name) => !live.sans.includes(name));
  return missing.length === 0 ? undefined : `names missing: ${missing.join(', ')}`;
}

function unknownAuthority(view: View, domain: TrustDomain, name: string): Parameters<Draft['refuse']>[0] {
  return {
    code: 'ca-not-trusted-yet',
    summary: 'The spec signs with an authority that the running members do not trust.',
    detail: `spec.tls.${domain} names ${name}, which the keystore has never made for ${view.spec.name}. A member given such a leaf would be cut off at its next handshake.`,
    remedy: `Name the authority in force again in spec.tls.${domain}. If the keystore was lost, restore it from your copy of the state folder.`,
  };
}

function untrusted(host: string, domain: TrustDomain, name: string): Parameters<Draft['refuse']>[0] {
  return {
    code: 'ca-not-trusted-yet',
    summary: 'The spec signs with an authority that a member does not trust.',
    detail: `The ${domain} trust on host ${host} does not hold ${name}. A leaf signed by it would be refused there.`,
    remedy: `Name the authority that is in force again in spec.tls.${domain}.`,
  };
}

function warnOfOldAuthority(view: View, draft: Draft, authority: Authority): void {
  const life = authority.notAfterMs - authority.notBeforeMs;
  if (view.nowMs < authority.notBeforeMs + life * authorityWarnAt) return;
  draft.warn({
    code: 'authority-ageing',
    summary: 'A certificate authority is near its end.',
    detail: `${authority.name} ends at ${new Date(authority.notAfterMs).toISOString()}; leaves never outlive it.`,
  });
}
