import type { RecordedOperation, RecordedRestore } from '../backup/store.ts';
import { isServing } from '../observe/live-state.ts';
import { peerUrl } from '../spec/cluster-spec.ts';
import { planCertificates } from './certificates.ts';
import type { Draft } from './draft.ts';
import { agentUnreachable, storeUnknown } from './health.ts';
import { nominate } from './nominate.ts';
import type { Notice } from './plan.ts';
import { refusesRelease } from './release-findings.ts';
import { bumpFor, chooseBackup, newestBackup } from './restore-source.ts';
import { isTakenBack } from './restore-state.ts';
import { releaseStep, restoreStep } from './restore-step.ts';
import { type HostView, quorumOf, type View } from './view.ts';
import { freshId, isUsed, witnessedCluster } from './witness.ts';

/**
 * A restore that is under way comes before everything else: what is there is half old, half new, and only the
 * record tells which. A new one begins on explicit words alone. `planned`: this plan is the restore, or what is left of
 * it. `held`: words for one are there, and it has to wait or is refused; only repairs may go on beside it.
 */
export function planRestore(view: View, draft: Draft): 'none' | 'planned' | 'held' {
  if (view.record === undefined) return 'none';
  const operation = view.record?.operation;
  const words = wordsOf(view);
  if (words !== undefined) return begin(view, words, draft);
  if (view.record === null || operation?.type !== 'restore') return 'none';
  if (isTakenBack(view.spec, view.live, view.record)) return 'none';
  goOn(view, operation, draft);
  return 'planned';
}

interface Words {
  readonly id: string;
  readonly backup: string;
  readonly discardData: string | undefined;
}

/** A bootstrap from a backup whose id has never run. */
function wordsOf(view: View): Words | undefined {
  const { bootstrap } = view.spec;
  if (bootstrap === undefined || bootstrap.from === 'empty' || isUsed(view, bootstrap.id)) return undefined;
  return { id: bootstrap.id, backup: bootstrap.from.backup, discardData: bootstrap.discardData };
}

function begin(view: View, words: Words, draft: Draft): 'none' | 'planned' | 'held' {
  const { etcd } = view.live;
  const recorded = view.record?.clusterId ?? null;
  // Which of two clusters is ours is not for a restore to decide.
  if (etcd.known && recorded !== null && recorded !== etcd.value.clusterId) return 'none';
  // Beside a half-done restore nothing else is right; what is there is neither the old cluster nor the new one.
  const held = view.record?.operation?.type === 'restore' ? 'planned' : 'held';
  if (seesNotAll(view, words, draft)) return held;
  const before = draft.steps.length;
  // Leaves that have run out would keep the restored members apart as well.
  planCertificates(view, draft);
  if (draft.steps.length > before) return 'planned';
  const isAlive = etcd.known && etcd.value.clusterId === replacedId(view);
  const backup = chooseBackup(view, words.backup, isAlive, draft);
  const replaced = placeOf(view, words, draft);
  const isReleaseRefused = refusesRelease(view, draft);
  if (backup === undefined || replaced === undefined || isReleaseRefused) return held;
  const hosts = nominate(
    view.spec,
    view.spec.hosts.map((spec) => ({ spec, isMember: false, isHealthy: false, isLeader: false, isAvailable: true })),
  );
  draft.change('/spec/bootstrap/from', replaced.clusterId ?? null, `backup ${backup.name}`);
  const restore = {
    bootstrapId: words.id,
    // The commit makes the token differ from that of every other cluster on the same hosts, so ids never repeat.
    token: `${view.spec.name}-${words.id}-${view.commit.slice(0, 12)}`,
    initialCluster: hosts.map((host) => `${host.name}=${peerUrl(host)}`).join(','),
    backup: backup.name,
    bumpRevision: bumpFor(view, backup),
    replaces: replaced.clusterId,
  };
  restoreStep(view, draft, hosts, restore, { reason: 'declared-restore', backup, takesDataAway: replaced.hasData });
  releaseStep(view, draft, hosts, restore);
  return 'planned';
}

function seesNotAll(view: View, words: Words, draft: Draft): boolean {
  const before = draft.waits.length;
  if (!view.live.backups.known) draft.wait(storeUnknown(view.live.backups.reason));
  for (const host of view.hosts) {
    if (host.live.facts.known) continue;
    if (!isGivenUp(host)) draft.wait(agentGone(host.name, host.live.facts.reason));
    else
      draft.warn({
        code: 'host-out-of-reach',
        summary: 'A host that was given up does not answer.',
        detail: `Host ${host.name}: ${host.live.facts.reason}. If it still runs a member of the old cluster, clients that know it could read old data from it; the restore ${words.id} cannot stop it.`,
      });
  }
  return draft.waits.length > before;
}

interface Place {
  /** The cluster whose place is taken; undefined when nobody remembers one. */
  readonly clusterId: string | undefined;
  /** Data of it is still on hosts, and is moved away. */
  readonly hasData: boolean;
}

/** Whose place the restored cluster takes, when the words are enough for that; else a refusal. */
function placeOf(view: View, words: Words, draft: Draft): Place | undefined {
  const operation = view.record?.operation;
  const witnessed = replacedId(view);
  // An earlier restore that was never released holds nothing that a client wrote.
  const unreleased =
    operation?.type === 'restore'
      ? view.hosts.find((host) => host.facts?.member.latched?.bootstrapId === operation.bootstrapId)?.facts?.member
          .latched?.clusterId
      : undefined;
  const holders = view.hosts.filter((host) => host.facts?.member.data.state === 'present');
  const foreign = holders.filter((host) => {
    const id = host.facts?.member.data.clusterId;
    return id === undefined || (id !== witnessed && id !== unreleased && id !== inPlace(host, operation));
  });
  if (foreign.length > 0) {
    draft.refuse({
      code: 'hosts-not-empty',
      summary: 'Hosts hold data of another cluster than the one that is restored.',
      detail: `${foreign.map((host) => `${host.name} holds data of cluster ${host.facts?.member.data.clusterId ?? 'unknown'}`).join(', ')}; ${witnessed === undefined ? 'nobody remembers a cluster of this name' : `cluster ${witnessed} is on record`}.`,
      remedy: 'Move those data dirs away by hand if they are not needed, or correct the hosts of the spec.',
    });
    return undefined;
  }
  const own = holders.filter((host) => witnessed !== undefined && host.facts?.member.data.clusterId === witnessed);
  const isAlive = view.live.etcd.known && view.live.etcd.value.clusterId === witnessed;
  // A host that left the spec and does not answer may be switched off, with everything still on its disk.
  const silent = view.hosts.filter((host) => isGivenUp(host) && !host.live.facts.known);
  const holding = own.length + silent.length;
  const couldComeBack = holding > 0 && holding >= quorumOf(view.record?.members ?? holding);
  const discards = words.discardData;
  if ((isAlive || couldComeBack || (discards !== undefined && discards !== witnessed)) && discards !== witnessed) {
    draft.refuse({
      code: 'discard-not-confirmed',
      summary: isAlive
        ? 'The cluster is alive; restoring a backup over it gives up what was written since.'
        : couldComeBack
          ? 'Enough members still hold the data of the cluster; restoring a backup over it gives that up.'
          : 'spec.bootstrap.discardData names another cluster than the one that is given up.',
      detail: `Cluster ${witnessed ?? 'unknown'} ${isAlive ? 'serves' : `may still have its data on ${[...own, ...silent].map((host) => host.name).join(', ') || 'no host'}`}. spec.bootstrap restores backup ${words.backup}${discards === undefined ? '' : ` and discards ${discards}, which is another cluster`}.`,
      remedy: `If that is meant:\n  bootstrap: { id: ${words.id}, from: { backup: ${nameable(view, words, isAlive)} }, discardData: "${witnessed ?? 'CLUSTER-ID'}" }`,
    });
    return undefined;
  }
  if (waitsForQuorum(view, witnessed, draft)) return undefined;
  return { clusterId: witnessed, hasData: holders.length > 0 };
}

/** Over a live cluster `latest` would be refused next. */
function nameable(view: View, words: Words, isAlive: boolean): string {
  if (words.backup !== 'latest' || !isAlive || !view.live.backups.known) return words.backup;
  return newestBackup(view)?.name ?? 'NAME';
}

/** Starts after which a process that ends by itself is not expected to stay any more. */
const patience = 3;

/**
 * Enough members run, or are being started again, though none answers us: they may serve others, whom we cannot see.
 * What serves is not replaced without a backup of it, so this waits.
 */
function waitsForQuorum(view: View, replaced: string | null | undefined, draft: Draft): boolean {
  if (view.live.etcd.known || replaced === undefined || replaced === null) return false;
  const up = view.hosts.filter(({ facts }) => {
    const { state, restarts } = facts?.member.process ?? { state: 'absent', restarts: 0 };
    const isUp = state === 'running' || (state === 'crashed' && restarts < patience);
    return isUp && facts?.member.data.clusterId === replaced;
  });
  if (up.length === 0 || up.length < quorumOf(view.record?.members ?? up.length)) return false;
  draft.wait({
    code: 'no-quorum',
    summary: 'Enough members run to serve, but none of them answers.',
    detail: `${view.live.etcd.reason}. etcd runs on ${up.map((host) => host.name).join(', ')}; clients may reach what this controller does not, so the cluster is not replaced without a backup of it.`,
  });
  return true;
}

/** Out of the spec, or cordoned: nobody waits for it. */
function isGivenUp(host: HostView): boolean {
  return host.spec === undefined || host.spec.cordon;
}

function agentGone(host: string, reason: string): Notice {
  const notice = agentUnreachable(host, reason);
  return { ...notice, detail: `${notice.detail} If the host is gone for good, take it out of the spec, or cordon it.` };
}

/** Restored data that is in place, though its agent died before it could write that down. */
function inPlace(host: HostView, operation: RecordedOperation | null | undefined): string | undefined {
  const prepared = host.facts?.member.restore.prepared;
  return operation?.type === 'restore' && prepared?.bootstrapId === operation.bootstrapId
    ? prepared.clusterId
    : undefined;
}

/** The cluster whose place is taken: during a restore the one that it began with. */
function replacedId(view: View): string | undefined {
  const operation = view.record?.operation;
  return operation?.type === 'restore' ? (operation.replaces ?? undefined) : knownId(view);
}

/** A backup of another program may be all that tells of the cluster; it does not say its id. */
function knownId(view: View): string | undefined {
  const id = witnessedCluster(view)?.clusterId;
  return id === 'unknown' ? undefined : id;
}

/** What was begun is brought to its end with what it was begun with, whatever the spec says by now. */
function goOn(view: View, operation: RecordedRestore, draft: Draft): void {
  const hosts = operation.hosts.flatMap((name) => view.spec.hosts.find((host) => host.name === name) ?? []);
  const initialCluster = hosts.map((host) => `${host.name}=${peerUrl(host)}`).join(',');
  if (initialCluster !== operation.initialCluster || view.spec.version !== operation.version) {
    draft.refuse({
      code: 'restore-interrupted',
      summary: 'A restore is half done, and its hosts or its release have changed in the spec.',
      detail: `The restore of ${operation.backup} began with etcd ${operation.version} on ${operation.initialCluster}; the spec now gives etcd ${view.spec.version} on ${initialCluster || 'none of these hosts'}.`,
      remedy: `Put hosts, ports and version back as they were until it is released, or begin anew with a fresh id:\n  bootstrap: { id: ${freshId(view)}, from: { backup: ${operation.backup} } }`,
    });
    return;
  }
  const places = hosts.flatMap((host) => view.hosts.find((place) => place.name === host.name) ?? []);
  for (const host of places)
    if (!host.live.facts.known)
      draft.wait({
        ...agentUnreachable(host.name, host.live.facts.reason),
        detail: `Host ${host.name}: ${host.live.facts.reason}. It has a part in the restore of ${operation.backup}. If it is gone for good, put another host in its place and begin anew: bootstrap: { id: ${freshId(view)}, from: { backup: ${operation.backup} } }`,
      });
  if (draft.waits.length > 0 || waitsForQuorum(view, operation.replaces, draft)) return;
  const lost = places.filter(
    ({ facts }) => facts?.member.latched?.bootstrapId === operation.bootstrapId && facts.member.data.state === 'empty',
  );
  if (lost.length > 0) {
    // The same member on an older log would break the promise that raft rests on.
    draft.refuse({
      code: 'restore-interrupted',
      summary: 'A restored data dir was lost before the cluster was released.',
      detail: `${lost.map((host) => host.name).join(', ')} had been given restored data and holds none any more. No client has written yet.`,
      remedy: `Begin anew with a fresh id:\n  bootstrap: { id: ${freshId(view)}, from: { backup: ${operation.backup} } }`,
    });
    return;
  }
  if (!places.some((host) => host.facts?.member.latched?.bootstrapId === operation.bootstrapId)) {
    if (refusesOtherWords(view, operation, draft)) return;
  }
  const before = draft.steps.length;
  planCertificates(view, draft);
  if (draft.steps.length > before) return;
  const restore = { ...operation, replaces: operation.replaces ?? undefined };
  if (!places.every((host) => isRestored(view, host, operation))) {
    if (!view.live.backups.known) {
      draft.wait(storeUnknown(view.live.backups.reason));
      return;
    }
    const backup = view.live.backups.value.find((candidate) => candidate.name === operation.backup);
    const takesDataAway = places.some((host) => host.facts?.member.data.clusterId === operation.replaces);
    restoreStep(view, draft, hosts, restore, { reason: 'restore-interrupted', backup, takesDataAway });
  }
  releaseStep(view, draft, hosts, restore);
}

/** Until a host has been given its data, the words of the commit in force are those that count. */
function refusesOtherWords(view: View, operation: RecordedRestore, draft: Draft): boolean {
  const { bootstrap } = view.spec;
  if (bootstrap?.id !== operation.bootstrapId) return false;
  const named = bootstrap.from === 'empty' ? 'empty' : bootstrap.from.backup;
  const isAlive = view.live.etcd.known && view.live.etcd.value.clusterId === operation.replaces;
  const isSame =
    (named === operation.backup || named === 'latest') && (!isAlive || bootstrap.discardData === operation.replaces);
  if (isSame) return false;
  draft.refuse({
    code: 'restore-interrupted',
    summary: 'A restore has begun, and its words are others now.',
    detail: `The restore ${operation.bootstrapId} began with backup ${operation.backup}, in the place of cluster ${operation.replaces ?? 'none'}; the spec now says from ${named}, discardData ${bootstrap.discardData ?? 'unset'}. Nothing has been replaced yet.`,
    remedy: `Put its words back, or take them out to leave the cluster as it is, or begin another one with a fresh id:\n  bootstrap: { id: ${freshId(view)}, from: { backup: ${named === 'empty' ? operation.backup : named} }, discardData: "${operation.replaces ?? ''}" }`,
  });
  return true;
}

/** It runs the restored member, and serves. */
function isRestored(view: View, host: HostView, operation: RecordedRestore): boolean {
  const member = host.facts?.member;
  if (!view.live.etcd.known || host.member === undefined || member === undefined) return false;
  return (
    isServing(host.member) &&
    member.latched?.bootstrapId === operation.bootstrapId &&
    member.latched.clusterId === view.live.etcd.value.clusterId &&
    view.live.etcd.value.leaderId !== null
  );
}
