import type { EtcdCluster } from './etcd-cluster.generated.ts';
import { escapeSegment, type Finding } from './finding.ts';
import type { Rule } from './rule.ts';

/**
 * Words of the format that this release does not act on. They are refused rather than ignored: a
 * person who wrote one counts on it. What only adds safety that is given in another way is a warning.
 */
export const notSupportedYet: readonly Rule[] = [
  { reads: ['/spec/retire'], check: retire },
  { reads: ['/spec/windows'], check: windows },
  { reads: ['/spec/rotation'], check: rotation },
  { reads: ['/spec/replace'], check: replace },
  { reads: ['/spec/upgrade'], check: upgrade },
  { reads: ['/spec/tls/authorities'], check: authorities },
  { reads: ['/spec/tls/authorities', '/spec/tls/peer', '/spec/tls/client'], check: trust },
];

function refuse(pointer: string, detail: string, part: 'key' | 'value' = 'key'): Finding {
  return { code: 'not-supported-yet', summary: 'This release of Quorate cannot do this yet', detail, pointer, part };
}

function retire({ spec }: EtcdCluster): readonly Finding[] {
  if (spec.retire === undefined) return [];
  return [refuse('/spec/retire', 'Clusters cannot be removed by a commit yet. Take the key out.')];
}

function windows({ spec }: EtcdCluster): readonly Finding[] {
  if (spec.windows.length === 0) return [];
  const detail = 'Changes cannot be held back until a window yet, so they would start at once. Use suspend: true.';
  return [refuse('/spec/windows', detail)];
}

function rotation({ spec }: EtcdCluster): readonly Finding[] {
  if (spec.rotation === 'staged') return [];
  return [refuse('/spec/rotation', 'Found emergency; authorities cannot be exchanged yet.', 'value')];
}

function replace({ spec }: EtcdCluster): readonly Finding[] {
  const { failedAfter } = spec.replace;
  if (failedAfter === 'never') return [];
  const detail = `Found ${failedAfter}; lost hosts are not replaced by themselves yet, only never is allowed. Set cordon: true on a host to move its member.`;
  return [refuse('/spec/replace/failedAfter', detail, 'value')];
}

function upgrade({ spec }: EtcdCluster): readonly Finding[] {
  if (spec.upgrade.strategy === 'rolling') return [];
  return [refuse('/spec/upgrade/strategy', 'Found restore; only rolling upgrades can be done yet.', 'value')];
}

function authorities({ spec }: EtcdCluster): readonly Finding[] {
  return Object.entries(spec.tls.authorities).flatMap(([name, authority]) => {
    if (authority.managed !== undefined && authority.certificate === undefined && authority.key === undefined)
      return [];
    const written = ['certificate', 'key'].find((key) => Object.hasOwn(authority, key)) ?? 'certificate';
    const detail = `${JSON.stringify(name)} is not managed by the controller; only managed authorities can be used yet: ${name}: { managed: {} }.`;
    return refuse(`/spec/tls/authorities/${escapeSegment(name)}/${written}`, detail);
  });
}

function trust({ spec }: EtcdCluster): readonly Finding[] {
  const findings: Finding[] = [];
  for (const domain of ['peer', 'client'] as const) {
    const found = spec.tls[domain];
    if (found.trust.length === 1 && found.trust[0] === found.issue) continue;
    // A name that is not declared is a finding of its own, and most likely the only mistake.
    if ([...found.trust, found.issue].some((name) => !Object.hasOwn(spec.tls.authorities, name))) continue;
    const detail = `Found trust [${found.trust.join(', ')}] and issue ${found.issue}; authorities cannot be exchanged yet, so trust must be the issuing authority alone: trust: [${found.issue}].`;
    findings.push(refuse(`/spec/tls/${domain}/trust`, detail, 'value'));
  }
  if (spec.tls.client.clientsTrust !== undefined)
    findings.push(refuse('/spec/tls/client/clientsTrust', 'Authorities cannot be exchanged yet. Take the key out.'));
  return findings;
}
