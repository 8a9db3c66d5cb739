import type { PreparedRestore } from '../../agent/wire.ts';
import { readRecord, writeRecord } from '../../backup/record.ts';
import { QuorateError } from '../../base/errors.ts';
import { settleAll } from '../../base/settle.ts';
import { electionTimeoutMs } from '../../etcd/flags.ts';
import { isHealthy, isServing, type LiveHostFacts } from '../../observe/live-state.ts';
import type { Step, StepDetail } from '../../plan/plan.ts';
import { peerUrl } from '../../spec/cluster-spec.ts';
import { stopGraceMs } from '../grace.ts';
import { ensureAuthorities, provision } from '../provision.ts';
import { stageBackup } from '../stage-backup.ts';
import { agentOf, begin, hostOf, type StepContext, type StepModule } from '../step-module.ts';
import { stopMembers } from '../stop-members.ts';

/**
 * A cluster from a backup. Everything that can go wrong with the backup goes wrong first: it is sent to every host,
 * checked there, and made into a data dir beside the one in use. Then the record says what is going on, members are
 * stopped, data dirs exchanged by renaming, and the restored members started where only the controller reaches them.
 * Dying before the record leaves everything as it was; dying after it is gone on from by the next run.
 */
export const restoreCluster: StepModule = {
  timeoutMs: 60_000,

  async act(step, context) {
    const hosts = Object.keys(step.detail.hosts ?? {});
    const missing = hosts.filter((host) => !isInstalled(host, step.detail, context));
    begin('make-ready', context);
    await ensureAuthorities(context);
    await settleAll(hosts.map((host) => makeReady(host, context)));
    await prepareAll(missing, step.detail, context);
    await requireRoomForRevisions(step, context);
    // It may have taken long: whoever has taken over meanwhile is told by the lease, or by the agents.
    context.signal.throwIfAborted();
    await settleAll(hosts.map((host) => agentOf(context, host).claim()));
    begin('record', context);
    await markBegun(step.detail, hosts, context);
    begin('stop', context);
    await stopOthers(hosts, missing, context);
    begin('install', context);
    context.signal.throwIfAborted();
    await settleAll(
      missing.map((host) => agentOf(context, host).installRestored({ bootstrapId: step.detail.bootstrapId ?? '' })),
    );
    // Those that served until now kept their leaves, whatever they were.
    await settleAll(missing.filter((host) => isRunning(host, context)).map((host) => provisionHost(host, context)));
    begin('start', context);
    await settleAll(hosts.map((host) => start(host, step.detail, context)));
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const hosts = Object.keys(step.detail.hosts ?? {});
    const { members, leaderId } = live.etcd.value;
    const waiting = hosts.filter((host) => !members.some((member) => member.host === host && isServing(member)));
    if (waiting.length > 0) return `not healthy yet: ${waiting.join(', ')}`;
    return leaderId === null ? 'no leader yet' : undefined;
  },
};

function factsOf(host: string, context: StepContext): LiveHostFacts['member'] | undefined {
  const facts = context.live.hosts.find((candidate) => candidate.name === host)?.facts;
  return facts?.known === true ? facts.value.member : undefined;
}

/** The restored data is in place: by the host's own memory of it. */
function isInstalled(host: string, detail: StepDetail, context: StepContext): boolean {
  const member = factsOf(host, context);
  return (
    member !== undefined &&
    member.latched?.bootstrapId === detail.bootstrapId &&
    member.data.state === 'present' &&
    member.data.clusterId === member.latched?.clusterId
  );
}

function isRunning(host: string, context: StepContext): boolean {
  return factsOf(host, context)?.process.state === 'running';
}

/** The leaves of a member that serves are left alone until it is stopped; all that it may lack is the release. */
async function makeReady(host: string, context: StepContext): Promise<void> {
  if (isRunning(host, context)) await agentOf(context, host).fetchBinary(context.spec.version);
  else await provisionHost(host, context);
}

function provisionHost(host: string, context: StepContext): Promise<void> {
  return provision(hostOf(context, host), agentOf(context, host), context);
}

/** Sends the backup to the hosts that need it, and has them make a data dir of it, beside whatever they run. */
async function prepareAll(hosts: readonly string[], detail: StepDetail, context: StepContext): Promise<void> {
  const unprepared = hosts.filter((host) => !isSamePreparation(factsOf(host, context)?.restore.prepared, detail));
  const unstaged = unprepared.filter((host) => factsOf(host, context)?.restore.staged?.backup !== detail.backup);
  if (unstaged.length > 0) begin('stage', context);
  if (unstaged.length > 0) await stageBackup(detail.backup ?? '', unstaged, context);
  begin('prepare', context);
  // Also where it is ready: the agent compares the whole request and does nothing when it is the same.
  const notStaged: string[] = [];
  const first = await settleAll(
    hosts.map((host) =>
      prepare(host, detail, context).catch((error: unknown) => {
        // What lies ready there was made for other words, and its snapshot is gone.
        if (!(error instanceof QuorateError) || error.code !== 'not-staged') throw error;
        notStaged.push(host);
        return undefined;
      }),
    ),
  );
  if (notStaged.length > 0) await stageBackup(detail.backup ?? '', notStaged, context);
  const again = await settleAll(notStaged.map((host) => prepare(host, detail, context)));
  const prepared = [...first, ...again].filter((one) => one !== undefined);
  const ids = new Set(prepared.map((one) => one.clusterId));
  if (ids.size <= 1) return;
  throw new QuorateError({
    code: 'restore-disagrees',
    kind: 'stalled',
    operation: `restore ${context.spec.name}`,
    summary: `the hosts made data dirs of different clusters (${[...ids].join(', ')}); nothing was stopped`,
    remedy: 'See that all hosts run the same version of the agent.',
  });
}

function isSamePreparation(prepared: PreparedRestore | null | undefined, detail: StepDetail): boolean {
  return prepared?.bootstrapId === detail.bootstrapId && prepared?.backup === detail.backup;
}

function prepare(host: string, detail: StepDetail, context: StepContext): Promise<PreparedRestore> {
  return agentOf(context, host).prepareRestore({
    bootstrapId: detail.bootstrapId ?? '',
    backup: detail.backup ?? '',
    version: context.spec.version,
    member: host,
    peerUrl: peerUrl(hostOf(context, host)),
    initialCluster: detail.initialCluster ?? '',
    token: detail.token ?? '',
    bumpRevision: detail.bumpRevision ?? 0,
  });
}

/** A cluster that goes on being written while its successor is made ready must not overtake it. */
async function requireRoomForRevisions(step: Step, context: StepContext): Promise<void> {
  const { etcd, backups } = context.live;
  const bump = step.detail.bumpRevision ?? 0;
  if (!etcd.known || etcd.value.clusterId !== step.detail.replaces || bump === 0 || !backups.known) return;
  const base = backups.value.find((backup) => backup.name === step.detail.backup)?.proof?.revision;
  const url = etcd.value.members.find(isHealthy)?.clientUrls[0];
  const client = url === undefined ? undefined : await context.sight.etcd([url]);
  if (base === undefined || url === undefined || client === undefined) return;
  const { revision } = await client.status(url);
  if (revision < base + bump) return;
  throw new QuorateError({
    code: 'revision-overtaken',
    kind: 'transient',
    operation: `restore ${context.spec.name}`,
    summary: `the cluster is at revision ${revision} by now, the restored one would begin at ${base + bump}; nothing was stopped`,
    remedy: 'The next plan raises revisions further. Take load off the cluster if this comes again.',
  });
}

async function markBegun(detail: StepDetail, hosts: readonly string[], context: StepContext): Promise<void> {
  const { sight, spec } = context;
  // As it was when this step began: who has written since wins.
  const stored = context.live.record.known ? context.live.record.value : await readRecord(sight.store, spec.name);
  const previous = stored?.record;
  const bootstrapId = detail.bootstrapId ?? '';
  if (previous?.operation?.type === 'restore' && previous.operation.bootstrapId === bootstrapId) return;
  const places = spec.hosts.filter((host) => hosts.includes(host.name));
  const others = (previous?.hosts ?? []).filter((host) => !hosts.includes(host.name));
  await writeRecord(
    sight.store,
    {
      formatVersion: '1.0',
      cluster: spec.name,
      // The id of the restored one is written when it is released; until then the operation remembers the old one.
      clusterId: null,
      bootstrapIds: [...new Set([...(previous?.bootstrapIds ?? []), bootstrapId])],
      versions: [...new Set([...(previous?.versions ?? []), spec.version])],
      // The count of the old cluster, by which its quorum is known, until the new one is released.
      members: previous?.members ?? spec.members,
      hosts: [...places, ...others].map(({ name, agent, address }) => ({ name, agent, address })),
      operation: {
        type: 'restore',
        bootstrapId,
        token: detail.token ?? '',
        initialCluster: detail.initialCluster ?? '',
        hosts,
        backup: detail.backup ?? '',
        version: spec.version,
        bumpRevision: detail.bumpRevision ?? 0,
        replaces: detail.replaces ?? null,
        commit: context.commit,
        startedAtMs: sight.clock.now(),
      },
      ...(previous?.replaced === undefined ? {} : { replaced: previous.replaced }),
      lastRevision: Math.max(previous?.lastRevision ?? 0, ...liveRevisions(context)),
    },
    stored?.tag ?? null,
  );
}

function liveRevisions({ live }: StepContext): readonly number[] {
  const members = live.etcd.known ? live.etcd.value.members : [];
  return members.flatMap((member) => (member.status.known ? [member.status.value.revision] : []));
}

/** Whatever is not the restored cluster stops, on every host that can be reached; data of others is archived. */
async function stopOthers(hosts: readonly string[], missing: readonly string[], context: StepContext): Promise<void> {
  const others = context.live.hosts.filter((host) => host.facts.known && !hosts.includes(host.name));
  const hasRun = (host: string): boolean => (factsOf(host, context)?.process.state ?? 'absent') !== 'absent';
  await stopMembers([...missing, ...others.map((host) => host.name)].filter(hasRun), context);
  await settleAll(
    others
      .filter((host) => factsOf(host.name, context)?.data.state === 'present')
      .map((host) => agentOf(context, host.name).archiveData({ reason: 'restored' })),
  );
}

async function start(host: string, detail: StepDetail, context: StepContext): Promise<void> {
  const commands = agentOf(context, host);
  const request = {
    member: host,
    version: context.spec.version,
    flags: detail.hosts?.[host] ?? {},
    electionTimeoutMs: electionTimeoutMs(context.spec),
  };
  try {
    await commands.start(request);
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'already-running') throw error;
    // Another quarantine port, or other flags, than those it was started with; no client is there to mind.
    await commands.stop({ graceMs: stopGraceMs(context.spec) });
    await commands.start(request);
  }
}
