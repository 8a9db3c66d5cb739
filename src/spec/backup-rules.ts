import { Cron } from 'croner';
import { parseDuration } from '../base/duration.ts';
import { describeError } from '../base/errors.ts';
import { parseStoreUrl } from '../base/store-url.ts';
import type { BackupSchedule } from './cluster-spec.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import type { Finding } from './finding.ts';
import type { Rule } from './rule.ts';
import { durationMs } from './values.ts';

export const backupRules: readonly Rule[] = [
  { reads: ['/spec/backup/store'], check: store },
  { reads: ['/spec/backup/every'], check: every },
];

function store({ spec }: EtcdCluster): readonly Finding[] {
  const parsed = parseStoreUrl(spec.backup.store);
  if (parsed.valid) return [];
  const detail = `${parsed.reason}. Write file:///var/backups/etcd, or s3://bucket/prefix?region=eu-1.`;
  return [{ code: 'invalid-store', summary: 'Not the URL of a backup store', detail, pointer: '/spec/backup/store' }];
}

const shortestMs = 60_000;
const longestMs = 366 * 86_400_000;

function every({ spec }: EtcdCluster): readonly Finding[] {
  const text = spec.backup.every;
  if (text === undefined) return [];
  const problem = scheduleProblem(text);
  if (problem === undefined) return [];
  return [{ code: 'invalid-schedule', summary: 'Not a schedule', detail: problem, pointer: '/spec/backup/every' }];
}

/** What is wrong with a schedule that somebody wrote; undefined: nothing. */
export function scheduleProblem(text: string): string | undefined {
  const ms = parseDuration(text);
  const forms = 'Write an interval from 1m to 1y (15m), or a cron expression of five fields in UTC ("0 */6 * * *").';
  if (ms !== undefined) return ms >= shortestMs && ms <= longestMs ? undefined : `Found ${text}. ${forms}`;
  if (text.trim().split(/\s+/).length !== 5) return `Found ${JSON.stringify(text)}. ${forms}`;
  try {
    const next = new Cron(text, { timezone: 'UTC', paused: true }).nextRun();
    return next === null ? `${JSON.stringify(text)} never comes. ${forms}` : undefined;
  } catch (error) {
    return `${describeError(error)}. ${forms}`;
  }
}

/** Of a text that the rule has accepted. */
export function backupSchedule(text: string): BackupSchedule {
  return parseDuration(text) === undefined
    ? { type: 'cron', expression: text.trim() }
    : { type: 'interval', everyMs: durationMs(text) };
}
