import { QuorateError } from '../../base/errors.ts';
import { settleAll } from '../../base/settle.ts';
import type { EtcdApi, KvHash } from '../../etcd/api.ts';
import { electionTimeoutMs } from '../../etcd/flags.ts';
import { isServing } from '../../observe/live-state.ts';
import type { Step } from '../../plan/plan.ts';
import { settleRecord } from '../settle-record.ts';
import { agentOf, begin, type StepContext, type StepModule } from '../step-module.ts';
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
    context.signal.throwIfAborted();
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
            isServing(member) &&
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
  const members = live.etcd.known ? live.etcd.value.members : [];
  const urls = members.flatMap((member) => member.clientUrls.slice(0, 1));
  const etcd = urls.length === 0 ? undefined : await context.sight.etcd(urls);
  if (etcd === undefined) throw wrong(context, 'no member could be asked');
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

const attempts = 30;

/**
 * At one revision on all members: leases that run out go on writing meanwhile. A compaction that a raised revision
 * begins with reaches one member after the other, so they are asked again.
 */
async function untilAgreed(etcd: EtcdApi, urls: readonly string[], context: StepContext): Promise<KvHash> {
  const { clock } = context.sight;
  for (let attempt = 1; ; attempt++) {
    const revisions = await Promise.all(urls.map(async (url) => (await etcd.status(url)).revision));
    const revision = Math.min(...revisions);
    const [first, ...others] = await Promise.all(urls.map((url) => hashAt(etcd, url, revision)));
    if (first === undefined) throw wrong(context, 'no member could be asked');
    const differs = others.find(
      (other) => other.hash !== first.hash || other.compactRevision !== first.compactRevision,
    );
    if (differs === undefined) return first;
    if (attempt === attempts)
      throw wrong(context, `its members disagree at revision ${revision}: hash ${first.hash} and ${differs.hash}`);
    await clock.sleep(500, context.signal);
  }
}

/** Where etcd has users and ours may not hash, what is left to compare is how far each member is. */
async function hashAt(etcd: EtcdApi, url: string, revision: number): Promise<KvHash> {
  try {
    return { ...(await etcd.hashKv(url, revision)), revision };
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'permission-denied')
      return { hash: 0, revision, compactRevision: 0 };
    throw error;
  }
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
