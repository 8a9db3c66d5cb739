import { QuorateError } from '../../base/errors.ts';
import type { EtcdApi } from '../api.ts';
import type { Keyspace, KeyspaceHead } from './keyspace.ts';

/** One of the two clusters. */
export interface CopySide {
  readonly etcd: Pick<EtcdApi, 'alarms'>;
  readonly keys: Keyspace;
}

export interface PreflightOptions {
  readonly from: CopySide;
  readonly to: CopySide;
  /** The revision to copy; the current one when undefined. */
  readonly revision: number | undefined;
  /** Users and roles of the source may stay behind. */
  readonly withoutAuth: boolean;
  /** The target may hold a part of the copy. */
  readonly continues: boolean;
}

export interface Preflight {
  readonly source: KeyspaceHead;
  readonly target: KeyspaceHead;
  readonly revision: number;
  /** Users and roles that stay behind. */
  readonly leftAccounts: readonly string[];
}

/** Everything that speaks against a copy and can be known before anything is written. */
export async function checkBeforeCopy(options: PreflightOptions): Promise<Preflight> {
  const { from, to } = options;
  const [source, target] = await Promise.all([from.keys.head(), to.keys.head()]);
  if (source.clusterId === target.clusterId)
    throw refusal(
      'same-cluster',
      'both sides are the same cluster',
      'Name the endpoints of another cluster with --to.',
    );
  await Promise.all([refuseAlarms('source', from), refuseAlarms('target', to)]);
  const leftAccounts = await accountsLeft(from.keys);
  if (leftAccounts.length > 0 && !options.withoutAuth)
    throw refusal(
      'auth-not-copied',
      `the source has users or roles of its own (${leftAccounts.slice(0, 5).join(', ')}), which cannot be copied because etcd does not give out passwords; the target would be open to whoever has a certificate`,
      'Say --without-auth when they may stay behind, and set them up in the target before clients use it.',
    );
  await refuseContents(options, target);
  if (options.revision !== undefined && options.revision > source.revision)
    throw refusal(
      'revision-in-future',
      `revision ${options.revision} was asked for, and the source is at ${source.revision}`,
      'Name a revision that the source has, or none for the current one.',
    );
  return { source, target, revision: options.revision ?? source.revision, leftAccounts };
}

async function refuseAlarms(side: 'source' | 'target', { etcd }: CopySide): Promise<void> {
  const alarms = await etcd.alarms();
  if (alarms.length === 0) return;
  const names = [...new Set(alarms.map(({ alarm }) => alarm))].join(' and ');
  throw refusal(
    'alarm-raised',
    `the ${side} has raised ${names}: ${side === 'source' ? 'what is read there may be wrong' : 'it may not take all keys'}`,
    'Find and end the cause, disarm the alarm, and copy then.',
  );
}

async function refuseContents({ to, continues }: PreflightOptions, { keyCount }: KeyspaceHead): Promise<void> {
  if (continues) return;
  const accounts = await to.keys.accounts();
  if (accounts.areHidden || accounts.users.length > 0)
    throw refusal(
      'target-not-empty',
      'the target has users of its own, so it is in use',
      'Copy into a new cluster, and set up users when the copy is done.',
    );
  const leases = (await to.keys.leases()).length;
  if (keyCount === 0 && leases === 0) return;
  throw refusal(
    'target-not-empty',
    `the target holds ${keyCount} keys and ${leases} leases, which a copy would mix with those of the source`,
    'Copy into a new cluster, or empty this one. When they come from a copy that was broken off, say --continue, with the --revision that it said at its start.',
  );
}

async function accountsLeft(keys: Keyspace): Promise<readonly string[]> {
  const { users, roles, areHidden } = await keys.accounts();
  if (areHidden) return ['not shown to us'];
  // etcd makes the role root by itself when authentication is turned on.
  return [...users.map((name) => `user ${name}`), ...roles.map((name) => `role ${name}`)];
}

function refusal(code: string, summary: string, remedy: string): QuorateError {
  return new QuorateError({ code, kind: 'refused', operation: 'copy keys', summary, remedy });
}
