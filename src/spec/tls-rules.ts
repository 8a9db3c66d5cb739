import { formatDuration } from '../base/duration.ts';
import { nearestName } from '../base/nearest.ts';
import type { TrustDomain } from './cluster-spec.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import { escapeSegment, type Finding } from './finding.ts';
import type { Rule } from './rule.ts';
import { durationMs } from './values.ts';

const domains: readonly TrustDomain[] = ['peer', 'client'];

export const tlsRules: readonly Rule[] = [
  { reads: ['/spec/tls/authorities', '/spec/tls/peer', '/spec/tls/client'], check: declaredAuthorities },
  { reads: ['/spec/tls'], check: leafWithinAuthority },
];

function declaredAuthorities({ spec }: EtcdCluster): readonly Finding[] {
  const declared = Object.keys(spec.tls.authorities);
  const used = domains.flatMap((domain) => namedBy(spec.tls, domain));
  const unknown = used
    .filter(({ name }) => !declared.includes(name))
    .map(({ name, pointer }): Finding => {
      const nearest = nearestName(name, declared);
      const hint = nearest === undefined ? `declared: ${declared.join(', ')}.` : `did you mean "${nearest}"?`;
      return {
        code: 'unknown-authority',
        summary: 'This authority is not declared',
        detail: `Found ${JSON.stringify(name)}, which is not in spec.tls.authorities; ${hint}`,
        pointer,
      };
    });
  const unused = declared
    .filter((name) => !used.some((use) => use.name === name))
    .map(
      (name): Finding => ({
        severity: 'warning',
        code: 'unused-authority',
        summary: 'This authority is not used',
        detail: `${JSON.stringify(name)} is neither trusted nor issues anything; nothing is made for it.`,
        pointer: `/spec/tls/authorities/${escapeSegment(name)}`,
        part: 'key',
      }),
    );
  return [...unknown, ...unused];
}

interface Use {
  readonly name: string;
  readonly pointer: string;
}

function namedBy(tls: EtcdCluster['spec']['tls'], domain: TrustDomain): readonly Use[] {
  const at = `/spec/tls/${domain}`;
  const { trust, issue } = tls[domain];
  const uses: Use[] = trust.map((name, index) => ({ name, pointer: `${at}/trust/${index}` }));
  // Named once when it is both: one mistake, one finding.
  if (!trust.includes(issue)) uses.push({ name: issue, pointer: `${at}/issue` });
  const acknowledged = domain === 'client' ? tls.client.clientsTrust : undefined;
  if (acknowledged !== undefined && !uses.some(({ name }) => name === acknowledged))
    uses.push({ name: acknowledged, pointer: `${at}/clientsTrust` });
  return uses;
}

/** A leaf that outlives its authority stops being accepted before its own end, when nobody expects it. */
function leafWithinAuthority({ spec }: EtcdCluster): readonly Finding[] {
  const leafMs = durationMs(spec.tls.leaf.validity);
  const issuers = new Set(domains.map((domain) => spec.tls[domain].issue));
  return [...issuers].flatMap((name): readonly Finding[] => {
    const validity = spec.tls.authorities[name]?.managed?.validity;
    if (validity === undefined || leafMs <= durationMs(validity)) return [];
    return [
      {
        code: 'leaf-outlives-authority',
        summary: 'Certificates would outlive the authority that signs them',
        detail: `Found ${formatDuration(leafMs)} for leaves and ${formatDuration(durationMs(validity))} for the authority ${JSON.stringify(name)}. Shorten spec.tls.leaf.validity, or lengthen that of the authority.`,
        pointer: '/spec/tls/leaf/validity',
      },
    ];
  });
}
