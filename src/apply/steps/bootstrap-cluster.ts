import { readRecord, writeRecord } from '../../backup/record.ts';
import { settleAll } from '../../base/settle.ts';
import { electionTimeoutMs } from '../../etcd/flags.ts';
import { isHealthy } from '../../observe/live-state.ts';
import type { StepDetail } from '../../plan/plan.ts';
import { stopGraceMs } from '../grace.ts';
import { ensureAuthorities, provision } from '../provision.ts';
import { agentOf, hostOf, type StepContext, type StepModule } from '../step-module.ts';

/**
 * Static bootstrap: every member starts with the same list and token. The record says so before the
 * first one starts; from then on a dead controller's work is finished, never begun again.
 */
export const bootstrapCluster: StepModule = {
  // Fetching a binary may take minutes; the wait after the start is for the first election.
  timeoutMs: 60_000,

  async act(step, context) {
    const { detail } = step;
    const hosts = Object.keys(detail.hosts ?? {});
    await ensureAuthorities(context);
    // Nothing is committed to yet: a release that cannot be had leaves hosts and record as they are.
    await settleAll(hosts.map((host) => prepare(host, context)));
    await markBegun(detail, hosts, context);
    await settleAll(hosts.map((host) => clear(host, detail, context)));
    await settleAll(
      hosts.map((host) =>
        agentOf(context, host).start({
          member: host,
          version: context.spec.version,
          flags: detail.hosts?.[host] ?? {},
          electionTimeoutMs: electionTimeoutMs(context.spec),
          join: {
            state: 'new',
            initialCluster: detail.initialCluster ?? '',
            token: detail.token ?? '',
            bootstrapId: detail.bootstrapId,
            discardData: detail.discardData,
          },
        }),
      ),
    );
  },

  missing(step, live) {
    if (!live.etcd.known) return live.etcd.reason;
    const hosts = Object.keys(step.detail.hosts ?? {});
    const { members, leaderId } = live.etcd.value;
    const waiting = hosts.filter((host) => !members.some((member) => member.host === host && isHealthy(member)));
    if (waiting.length > 0) return `not healthy yet: ${waiting.join(', ')}`;
    return leaderId === null ? 'no leader yet' : undefined;
  },
};

async function markBegun(detail: StepDetail, hosts: readonly string[], context: StepContext): Promise<void> {
  const { sight, spec } = context;
  const stored = await readRecord(sight.store, spec.name);
  const bootstrapId = detail.bootstrapId ?? '';
  const previous = stored?.record;
  if (previous?.operation?.bootstrapId === bootstrapId) return;
  await writeRecord(
    sight.store,
    {
      formatVersion: '1.0',
      cluster: spec.name,
      clusterId: null,
      bootstrapIds: [...(previous?.bootstrapIds ?? []), bootstrapId],
      versions: [...new Set([...(previous?.versions ?? []), spec.version])],
      members: spec.members,
      hosts: spec.hosts
        .filter((host) => hosts.includes(host.name))
        .map(({ name, agent, address }) => ({ name, agent, address })),
      operation: {
        type: 'bootstrap',
        bootstrapId,
        token: detail.token ?? '',
        initialCluster: detail.initialCluster ?? '',
        hosts,
        discardData: detail.discardData ?? null,
        commit: context.commit,
        startedAtMs: sight.clock.now(),
      },
      ...(previous?.replaced === undefined ? {} : { replaced: previous.replaced }),
      lastRevision: previous?.lastRevision ?? 0,
    },
    stored?.tag ?? null,
  );
}

/** A member of this bootstrap that runs already was made ready by an earlier try. */
async function prepare(host: string, context: StepContext): Promise<void> {
  const facts = context.live.hosts.find((candidate) => candidate.name === host)?.facts;
  const member = facts?.known === true ? facts.value.member : undefined;
  if (member?.process.state === 'running' && member.latched?.bootstrapId !== undefined && context.live.record.known) {
    const operation = context.live.record.value?.record.operation;
    if (operation?.bootstrapId === member.latched.bootstrapId) return;
  }
  await provision(hostOf(context, host), agentOf(context, host), context);
}

/** Data of the cluster that the commit gives up is moved away, never deleted. */
async function clear(host: string, detail: StepDetail, context: StepContext): Promise<void> {
  const facts = context.live.hosts.find((candidate) => candidate.name === host)?.facts;
  if (detail.discardData === undefined || facts?.known !== true) return;
  if (facts.value.member.data.clusterId !== detail.discardData) return;
  const commands = agentOf(context, host);
  await commands.stop({ graceMs: stopGraceMs(context.spec) });
  await commands.archiveData({ reason: 'discarded' });
}
