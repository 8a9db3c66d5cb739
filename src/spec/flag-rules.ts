import { checkFlags } from '../etcd/flags.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import { escapeSegment, type Finding } from './finding.ts';
import type { Rule } from './rule.ts';
import { flagValue } from './values.ts';

const oldestMinor = 4;
const newestMinor = 7;

const summaries = {
  'owned-flag': 'This flag belongs to Quorate',
  'unknown-flag': 'etcd does not know this flag',
  'invalid-value': 'etcd does not accept this value',
} as const;

export const flagRules: readonly Rule[] = [
  { reads: ['/spec/version'], check: supportedVersion },
  { reads: ['/spec/version', '/spec/etcd'], check: knownFlags },
];

function supportedVersion({ spec }: EtcdCluster): readonly Finding[] {
  if (isSupported(spec.version)) return [];
  const isOld = minorOf(spec.version) < oldestMinor;
  const reason = isOld
    ? 'Older releases cannot add a member as a learner, so a cluster could lose its quorum by growing.'
    : 'Newer releases have flags and upgrade rules that this release of Quorate does not know.';
  return [
    {
      code: 'unsupported-version',
      summary: 'This etcd release is not supported',
      detail: `Found ${spec.version}; supported are 3.${oldestMinor} to 3.${newestMinor}. ${reason}`,
      pointer: '/spec/version',
    },
  ];
}

function knownFlags({ spec }: EtcdCluster): readonly Finding[] {
  const findings: Finding[] = [];
  const flags: Record<string, string> = {};
  for (const [flag, written] of Object.entries(spec.etcd)) {
    const value = flagValue(written);
    if (/^[0-9]+$/.test(value) && !Number.isSafeInteger(Number(value)))
      findings.push({
        code: 'invalid-value',
        summary: summaries['invalid-value'],
        detail: `Found ${String(written)}; the most that is read exactly is ${Number.MAX_SAFE_INTEGER}.`,
        pointer: pointerTo(flag),
      });
    else flags[flag] = value;
  }
  if (!isSupported(spec.version)) return findings;
  for (const problem of checkFlags(spec.version, flags)) {
    const { nearest, detail } = problem;
    const hint = nearest === undefined || detail.includes(nearest) ? '' : ` Did you mean "${nearest}"?`;
    findings.push({
      code: problem.code,
      summary: summaries[problem.code],
      detail: `${problem.flag}: ${detail.replace(/([^.?!])$/, '$1.')}${hint}`,
      pointer: pointerTo(problem.flag),
      part: problem.code === 'invalid-value' ? 'value' : 'key',
    });
  }
  return findings;
}

function pointerTo(flag: string): string {
  return `/spec/etcd/${escapeSegment(flag)}`;
}

function isSupported(version: string): boolean {
  return minorOf(version) >= oldestMinor && minorOf(version) <= newestMinor;
}

function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}
