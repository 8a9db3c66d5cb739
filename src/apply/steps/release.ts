import { QuorateError } from '../../base/errors.ts';
import { settleAll } from '../../base/settle.ts';
import { waitUntil } from '../../base/wait.ts';
import type { EtcdApi, KvHash } from '../../etcd/api.ts';
import { electionTimeoutMs } from '../../etcd/flags.ts';
import { isHealthy } from '../../observe/live-state.ts';
import type { Step } from '../../plan/plan.ts';
import { settleRecord } from '../settle-record.ts';
import { agentOf, begin, etcdOf, type StepContext, type StepModule } from '../step-module.ts';
import { stopMembers } from '../stop-members.ts';

/**
 * Checks the restored cluster while nobody else can reach it, writes it into the record as the cluster of this name,
 * and gives every member its own client URLs. From the record on nothing of the restore is left to
 * do: a member that still runs in quarantine has flags that differ from the spec, which the next plan sees.
 */
export const release: StepModule = {
  timeoutMs: 60_000,

  async act(step, context) {
    begin('check', context);
    await check(step, context);
    begin('record', context);
    await settleRecord(context.spec, context.live, context.sight.store, { endsRestore: true });
    await reopen(step, context);
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const { members, leaderId } = live.etcd.value;
    const waiting = Object.entries(step.detail.hosts ?? {}).filter(
      ([host, flags]) =>
        !members.some(
          (member) =>
            member.host === host &&
            isHealthy(member) &&
            member.clientUrls.includes(flags['advertise-client-urls'] ?? ''),
        ),
    );
    if (waiting.length > 0) return `not open to clients yet: ${waiting.map(([host]) => host).join(', ')}`;
    return leaderId === null ? 'no leader yet' : undefined;
  },
};

/** All members hold the same, and what was in the backup. */
async function check(step: Step, context: StepContext): Promise<void> {
  const { live } = context;
  const etcd = await etcdOf(context);
  const members = live.etcd.known ? live.etcd.value.members : [];
  const urls = members.flatMap((member) => member.clientUrls.slice(0, 1));
  const first = await untilAgreed(etcd, urls, context);
  const proof = live.backups.known
    ? live.backups.value.find((backup) => backup.name === step.detail.backup)?.proof
    : undefined;
  if (proof === undefined) return;
  const restored = first.revision - (step.detail.bumpRevision ?? 0);
  if (restored < proof.revision)
    throw wrong(context, `it is at revision ${restored} of the backup's ${proof.revision}`);
  // A write between the count and the snapshot makes both differ, which the revision tells.
  if (restored !== proof.revision || proof.keyCount === undefined) return;
  const keys = await countKeys(etcd, urls[0] ?? '');
  if (keys !== undefined && keys !== proof.keyCount)
    throw wrong(context, `it has ${keys} keys, ${proof.keyCount} were backed up`);
}

/** Undefined where etcd has users and ours may not read; the revision and the hashes have been compared. */
async function countKeys(etcd: EtcdApi, url: string): Promise<number | undefined> {
  try {
    return await etcd.keyCount(url, 0);
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'permission-denied') return undefined;
    throw error;
  }
}

/** A lease that runs out, or the compaction that a raised revision begins with, reaches one member after the other. */
async function untilAgreed(etcd: EtcdApi, urls: readonly string[], context: StepContext): Promise<KvHash> {
  let seen = 'no member could be asked';
  const { clock } = context.sight;
  const waited = await waitUntil(clock, { timeoutMs: 20_000, intervalMs: 100, signal: context.signal }, async () => {
    const [first, ...others] = await Promise.all(urls.map((url) => etcd.hashKv(url, 0)));
    const differs = others.find((other) => other.hash !== first?.hash || other.revision !== first.revision);
    if (first === undefined || differs === undefined) return first;
    seen = `its members disagree: hash ${first.hash} at revision ${first.revision}, ${differs.hash} at ${differs.revision}`;
    return undefined;
  });
  if (waited.seen) return waited.value;
  throw wrong(context, seen);
}

/** No client is served yet, so that all may be away for the moment of a restart, which is quicker than one by one. */
async function reopen(step: Step, context: StepContext): Promise<void> {
  const { spec } = context;
  const hosts = Object.entries(step.detail.hosts ?? {});
  begin('close', context);
  await stopMembers(
    hosts.map(([host]) => host),
    context,
  );
  begin('open', context);
  await settleAll(
    hosts.map(([host, flags]) =>
      agentOf(context, host).start({
        member: host,
        version: spec.version,
        flags,
        electionTimeoutMs: electionTimeoutMs(spec),
      }),
    ),
  );
}

function wrong(context: StepContext, seen: string): QuorateError {
  return new QuorateError({
    code: 'restore-wrong',
    kind: 'stalled',
    operation: `check the restored cluster ${context.spec.name}`,
    summary: `${seen}; clients stay out`,
    remedy:
      'Choose another backup and begin anew with a fresh bootstrap.id, or look at the members with `quorate etcdctl`.',
  });
}
