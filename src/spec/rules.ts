import type { ParsedDocument } from '../base/document.ts';
import { backupRules } from './backup-rules.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import type { Finding } from './finding.ts';
import { flagRules } from './flag-rules.ts';
import { hostRules } from './host-rules.ts';
import { notSupportedYet } from './not-supported-yet.ts';
import type { Rule } from './rule.ts';
import { tlsRules } from './tls-rules.ts';

const rules: readonly Rule[] = [...hostRules, ...tlsRules, ...flagRules, ...backupRules, ...notSupportedYet];

/**
 * Everything that is wrong with one cluster beyond its shape.
 * @param misshapen pointers to where the schema found a wrong shape: rules that read those parts wait
 *   until it is mended, the others run, so that most mistakes are shown at once
 */
export function checkRules(document: ParsedDocument, misshapen: readonly string[]): readonly Finding[] {
  // Safe for the parts that a rule reads: the schema found nothing wrong with them.
  const cluster = document.value as EtcdCluster;
  return rules.filter((rule) => isWellShaped(rule.reads, misshapen)).flatMap((rule) => rule.check(cluster));
}

/** True when nothing misshapen is at, above or below what is read. */
export function isWellShaped(reads: readonly string[], misshapen: readonly string[]): boolean {
  return !reads.some((read) => misshapen.some((pointer) => overlap(read, pointer)));
}

function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
