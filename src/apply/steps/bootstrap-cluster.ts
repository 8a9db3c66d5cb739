import { readRecord, writeRecord } from '../../backup/record.ts';
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
    // Nothing is committed to yet: a release that cannot be had leaves the words of the commit unused.
    await Promise.all(hosts.map((host) => prepare(host, detail, context)));
    await markBegun(detail, hosts, context);
    await Promise.all(
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
        commit: context.commit,
        startedAtMs: sight.clock.now(),
      },
      lastRevision: previous?.lastRevision ?? 0,
    },
    stored?.tag ?? null,
  );
}

/** A member that runs already was started by an earlier try of this bootstrap and needs nothing. */
async function prepare(host: string, detail: StepDetail, context: StepContext): Promise<void> {
  const facts = context.live.hosts.find((candidate) => candidate.name === host)?.facts;
  const commands = agentOf(context, host);
  if (facts?.known === true) {
    const { process, data } = facts.value.member;
    const isGivenUp = detail.discardData !== undefined && data.clusterId === detail.discardData;
    if (isGivenUp) {
      await commands.stop({ graceMs: stopGraceMs(context.spec) });
      await commands.archiveData({ reason: 'discarded' });
    } else if (process.state === 'running') return;
  }
  await provision(hostOf(context, host), commands, context);
}
