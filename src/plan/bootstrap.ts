import type { RecordedBootstrap } from '../backup/store.ts';
import { formatTime } from '../base/clock.ts';
import { peerUrl } from '../spec/cluster-spec.ts';
import { bootstrapStep, continueBootstrap } from './bootstrap-step.ts';
import { planCertificates } from './certificates.ts';
import type { Draft } from './draft.ts';
import { agentUnreachable, storeUnknown } from './health.ts';
import { nominate } from './nominate.ts';
import { refusesRelease } from './release-findings.ts';
import { startStopped } from './repair.ts';
import { newestBackup } from './restore-source.ts';
import { type HostView, isPristine, quorumOf, type View } from './view.ts';
import { freshId, isUsed, type Witnessed, witnessedCluster } from './witness.ts';

/**
 * No quorum answers. Either there is a cluster that is down, or one that is lost, or none yet; and
 * silence proves none of the three. Creating one is done on explicit words only, and only when every
 * witness (hosts, agents' memory, record, backups) says that there never was one.
 */
export function planBootstrap(view: View, etcdReason: string, draft: Draft): void {
  planComeback(view, draft);
  if (draft.steps.length > 0) return;
  if (seesNotAll(view, draft)) return;
  const operation = view.record?.operation;
  const witnessed = witnessedCluster(view);
  if (operation?.type === 'bootstrap' && !isAbandoned(view, operation)) {
    if (isResumable(view, operation)) continueBootstrap(view, operation, draft);
    else if (witnessed !== undefined && confirmsDiscard(view, witnessed)) create(view, draft);
    else refuseInterrupted(view, operation, witnessed, draft);
    return;
  }
  if (view.hosts.some((host) => host.facts?.member.data.state === 'present'))
    withData(view, etcdReason, witnessed, draft);
  else if (witnessed !== undefined) withoutData(view, witnessed, draft);
  else create(view, draft);
}

/** Certificates that have run out, and stopped members that have their data: right whatever comes after. */
export function planComeback(view: View, draft: Draft): void {
  // Expired leaves may be all that keeps the members apart; they are written before anything is started.
  planCertificates(view, draft);
  // Starting stopped members on data of the cluster that we know is right, and may be all that is missing.
  const known = witnessedCluster(view)?.clusterId;
  for (const host of view.hosts)
    if (host.facts?.member.data.clusterId === known && known !== undefined) startStopped(view, draft, host);
}

/**
 * Shortly after it began, an empty host is one that was not started yet. Later it may be one that was replaced
 * after the cluster had served: starting it as new could outvote the member that still has the data.
 */
const resumeWithinMs = 10 * 60_000;

function isResumable(view: View, operation: RecordedBootstrap): boolean {
  const places = view.hosts.filter((host) => operation.hosts.includes(host.name));
  const started = places.filter((host) => host.facts?.member.latched?.bootstrapId === operation.bootstrapId);
  const isYoung = view.nowMs - operation.startedAtMs < resumeWithinMs;
  return isYoung || started.length === 0 || started.length === places.length;
}

function refuseInterrupted(
  view: View,
  operation: RecordedBootstrap,
  witnessed: Witnessed | undefined,
  draft: Draft,
): void {
  draft.refuse({
    code: 'bootstrap-interrupted',
    summary: 'A bootstrap was left half done long ago.',
    detail: `Bootstrap ${operation.bootstrapId} began at ${new Date(operation.startedAtMs).toISOString()}; some of its hosts have run their member and some are empty. They may have been replaced since, so starting them as new could lose what was written.`,
    remedy: `Bring the hosts back with their data. If nothing was written yet, give it up:\n  bootstrap: { id: ${freshId(view)}, from: empty, discardData: "${witnessed?.clusterId ?? 'CLUSTER-ID'}" }`,
  });
}

/** Begun on record, but no host ever ran a member of it, and the commit now asks for another one. */
function isAbandoned(view: View, operation: RecordedBootstrap): boolean {
  const id = view.spec.bootstrap?.id;
  if (id === undefined || id === operation.bootstrapId) return false;
  return view.hosts.every((host) => host.facts !== undefined && isPristine(host.facts));
}

function seesNotAll(view: View, draft: Draft): boolean {
  const before = draft.waits.length;
  for (const host of view.hosts.filter((candidate) => !isGivenUp(view, candidate)))
    if (!host.live.facts.known) draft.wait(agentUnreachable(host.name, host.live.facts.reason));
  if (!view.live.record.known) draft.wait(storeUnknown(view.live.record.reason));
  if (!view.live.backups.known) draft.wait(storeUnknown(view.live.backups.reason));
  return draft.waits.length > before;
}

/** A host that left the spec, in a commit that gives its cluster up in words, is not waited for. */
function isGivenUp(view: View, host: HostView): boolean {
  const { bootstrap } = view.spec;
  return !host.live.declared && bootstrap?.discardData !== undefined && !isUsed(view, bootstrap.id);
}

/** Data is there but no quorum answers: down, lost, or foreign. */
function withData(view: View, etcdReason: string, witnessed: Witnessed | undefined, draft: Draft): void {
  const holders = view.hosts.filter((host) => host.facts?.member.data.state === 'present');
  const names = holders.map((host) => host.name).join(', ');
  if (witnessed === undefined) {
    draft.refuse({
      code: 'hosts-not-empty',
      summary: 'Hosts hold data of a cluster that nobody has on record.',
      detail: `There is a data dir on ${names}, but neither the store nor the agents know a cluster of this name, and no quorum answers (${etcdReason}).`,
      remedy:
        'Move the data dirs away by hand if they are not needed, or correct spec.backup.store if the record is elsewhere.',
    });
    return;
  }
  // The count that was last declared and reached; hosts that left since are not among it.
  const places = view.record?.members ?? holders.length;
  const own = holders.filter((host) => host.facts?.member.data.clusterId === witnessed.clusterId);
  if (own.length < quorumOf(places)) {
    if (confirmsDiscard(view, witnessed)) {
      create(view, draft);
      return;
    }
    refuseLost(
      view,
      witnessed,
      draft,
      `Of ${places} members only ${own.length} still hold its data: quorum is lost for good.`,
    );
    return;
  }
  const crashed = holders.filter((host) => host.facts?.member.process.state === 'crashed');
  draft.wait({
    code: 'no-quorum',
    summary: 'The members run but no quorum answers.',
    detail: `${etcdReason}. Data is on ${names}.${crashed.map((host) => ` ${host.name} crashes: ${host.facts?.member.process.lastExit?.logTail.at(-1) ?? 'no log'}.`).join('')}`,
  });
}

/** Every data dir is gone but somebody remembers the cluster. */
function withoutData(view: View, witnessed: Witnessed, draft: Draft): void {
  const { bootstrap } = view.spec;
  if (bootstrap === undefined || isUsed(view, bootstrap.id)) {
    refuseLost(view, witnessed, draft, 'No host holds any data of it.');
    return;
  }
  if (!confirmsDiscard(view, witnessed)) {
    draft.refuse({
      code: 'discard-not-confirmed',
      summary: 'A cluster of this name is on record; starting empty would give its data up.',
      detail: `Cluster ${witnessed.clusterId} is known to ${witnessed.by}. spec.bootstrap asks for an empty cluster${bootstrap.discardData === undefined ? '' : ` and discards ${bootstrap.discardData}, which is another one`}.`,
      remedy: `If its data is really to be given up:\n  bootstrap: { id: ${bootstrap.id}, from: empty, discardData: "${witnessed.clusterId}" }`,
    });
    return;
  }
  create(view, draft);
}

/** The words of the commit: a fresh id, and the id of the very cluster that is given up. */
function confirmsDiscard(view: View, witnessed: Witnessed): boolean {
  const { bootstrap } = view.spec;
  return bootstrap !== undefined && !isUsed(view, bootstrap.id) && bootstrap.discardData === witnessed.clusterId;
}

function refuseLost(view: View, witnessed: Witnessed, draft: Draft, seen: string): void {
  draft.refuse({
    code: 'cluster-lost',
    summary: 'The cluster is lost; nothing brings it back by itself.',
    detail: `Cluster ${witnessed.clusterId} is known to ${witnessed.by}. ${seen}${usedWords(view)}`,
    remedy: `If hosts are only away, bring them back. ${restoreWords(view)}${discardWords(view, witnessed)}`,
  });
}

function create(view: View, draft: Draft): void {
  const { spec } = view;
  // A restore has a planner of its own; whatever brought its words here, nothing empty is made of them.
  if (spec.bootstrap === undefined || spec.bootstrap.from !== 'empty') {
    draft.refuse({
      code: 'bootstrap-not-declared',
      summary: 'There is no such cluster, and the spec does not say that it is to be created.',
      detail: `No host holds data of ${spec.name}, and nobody has it on record. A missing cluster may also be one whose disks are not mounted, so creating it takes a word.`,
      remedy: 'Add to the spec:\n  bootstrap: { id: first, from: empty }',
    });
    return;
  }
  if (isUsed(view, spec.bootstrap.id)) {
    draft.refuse({
      code: 'bootstrap-id-used',
      summary: 'This bootstrap has run before.',
      detail: `bootstrap.id ${spec.bootstrap.id} was used for ${spec.name} already; an id runs once.`,
      remedy: `Choose an id that was never used:\n  bootstrap: { id: ${freshId(view)}, from: empty }`,
    });
    return;
  }
  if (refusesRelease(view, draft)) return;
  const hosts = nominate(
    spec,
    spec.hosts.map((host) => ({ spec: host, isMember: false, isHealthy: false, isLeader: false, isAvailable: true })),
  );
  draft.change('/spec/members', 0, spec.members);
  bootstrapStep(view, draft, hosts, {
    bootstrapId: spec.bootstrap.id,
    // The commit makes the token differ from that of every other cluster on the same hosts, so ids never repeat.
    token: `${spec.name}-${spec.bootstrap.id}-${view.commit.slice(0, 12)}`,
    initialCluster: hosts.map((host) => `${host.name}=${peerUrl(host)}`).join(','),
    discardData: spec.bootstrap.discardData,
  });
}

/** Words that have run look like an answer to what is refused here, and are none. */
function usedWords(view: View): string {
  const id = view.spec.bootstrap?.id;
  return id !== undefined && isUsed(view, id)
    ? ` bootstrap.id ${id} has run before, so the line with it does nothing.`
    : '';
}

/** A backup of another program does not say of which cluster it is, so there is no id that could be given up. */
function discardWords(view: View, { clusterId }: Witnessed): string {
  if (clusterId === 'unknown') return 'To start empty, name another store, or another cluster.';
  return `To give the data up and start empty:\n  bootstrap: { id: ${freshId(view)}, from: empty, discardData: "${clusterId}" }`;
}

/** The words that bring the newest backup back, where there is one. */
function restoreWords(view: View): string {
  const newest = newestBackup(view);
  if (newest === undefined) return '';
  return `To restore the newest backup (taken ${formatTime(newest.takenAtMs)}):\n  bootstrap: { id: ${freshId(view)}, from: { backup: ${newest.name} } }\n`;
}
