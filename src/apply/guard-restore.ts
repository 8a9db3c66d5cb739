import type { RecordedRestore } from '../backup/store.ts';
import { isServing } from '../observe/live-state.ts';
import type { Step } from '../plan/plan.ts';
import { facts, type GuardInput, refuse } from './guard-input.ts';

/** Invariant 5 for a restore: the words, the backup, and whose data is given up, looked at again now. */
export function guardRestore(input: GuardInput): void {
  const { step, live, spec } = input;
  if (!live.record.known) return refuse(input, 'store-unknown', `the record cannot be read (${live.record.reason})`);
  const record = live.record.value?.record;
  const operation = record?.operation;
  const hosts = Object.keys(step.detail.hosts ?? {});
  const undeclared = hosts.find((name) => !spec.hosts.some((host) => host.name === name && !host.cordon));
  if (operation?.type === 'restore' && isSameRestore(step, operation)) {
    for (const host of hosts) guardPlace(input, host);
    guardReplaced(input, true);
    return;
  }
  if (undeclared !== undefined)
    return refuse(input, 'host-not-declared', `${undeclared} is not a host of the spec, or it is cordoned`);
  if (hosts.length !== spec.members)
    return refuse(
      input,
      'restore-not-declared',
      `${hosts.length} hosts are to be restored, ${spec.members} members are declared`,
    );
  const words = spec.bootstrap;
  if (words?.id !== step.detail.bootstrapId || words?.from === undefined || words.from === 'empty')
    return refuse(input, 'restore-not-declared', `the spec does not declare restore ${step.detail.bootstrapId}`);
  if (words.from.backup !== 'latest' && words.from.backup !== step.detail.backup)
    return refuse(
      input,
      'restore-not-declared',
      `the spec names backup ${words.from.backup}, not ${step.detail.backup}`,
    );
  if (record?.bootstrapIds.includes(words.id) === true)
    return refuse(input, 'bootstrap-id-used', `bootstrap ${words.id} has run before`);
  if (!live.backups.known) return refuse(input, 'store-unknown', `backups cannot be listed (${live.backups.reason})`);
  if (!live.backups.value.some((backup) => backup.name === step.detail.backup))
    return refuse(input, 'backup-not-found', `the store does not list backup ${step.detail.backup}`);
  // A cordoned host was given up; what it may still hold is counted below.
  for (const host of spec.hosts.filter((candidate) => !candidate.cordon)) facts(input, host.name);
  for (const host of live.hosts.filter((candidate) => candidate.facts.known)) guardPlace(input, host.name);
  guardReplaced(input, words.discardData !== undefined && words.discardData === step.detail.replaces);
}

function isSameRestore(step: Step, operation: RecordedRestore): boolean {
  const { bootstrapId, token, initialCluster, backup, bumpRevision, replaces } = step.detail;
  return (
    operation.bootstrapId === bootstrapId &&
    operation.token === token &&
    operation.initialCluster === initialCluster &&
    operation.backup === backup &&
    operation.bumpRevision === bumpRevision &&
    operation.replaces === (replaces ?? null)
  );
}

/** Only data of the cluster that is replaced, or of a restore that no client has seen, may be moved away. */
function guardPlace(input: GuardInput, host: string): void {
  const { data, latched } = facts(input, host).member;
  const operation = input.live.record.known ? input.live.record.value?.record.operation : undefined;
  const isUnreleased = operation?.type === 'restore' && latched?.bootstrapId === operation.bootstrapId;
  if (data.state === 'empty') {
    if (isUnreleased && latched.bootstrapId === input.step.detail.bootstrapId)
      refuse(input, 'restore-interrupted', `${host} has lost the data that was restored to it`);
    return;
  }
  if (isUnreleased && data.clusterId === latched.clusterId) return;
  const { prepared } = facts(input, host).member.restore;
  // In place, though its agent died before it could remember that.
  if (
    operation?.type === 'restore' &&
    prepared?.bootstrapId === operation.bootstrapId &&
    data.clusterId === prepared.clusterId
  )
    return;
  if (data.clusterId === undefined || data.clusterId !== input.step.detail.replaces)
    refuse(input, 'hosts-not-empty', `${host} holds data of ${data.clusterId ?? 'an unknown cluster'}`);
}

/** What is alive, or could come back to life by being started, goes only on words; what is alive only after a backup. */
function guardReplaced(input: GuardInput, isConfirmed: boolean): void {
  const { live, step, backup } = input;
  const { replaces } = step.detail;
  const record = live.record.known ? live.record.value?.record : undefined;
  if (live.etcd.known) {
    const { clusterId } = live.etcd.value;
    const operation = record?.operation;
    const forming = live.hosts.flatMap((host) => {
      const latched = host.facts.known ? host.facts.value.member.latched : null;
      return operation?.type === 'restore' && latched?.bootstrapId === operation.bootstrapId ? [latched.clusterId] : [];
    });
    if (forming.includes(clusterId)) return;
    if (clusterId !== replaces)
      return refuse(
        input,
        'cluster-id-mismatch',
        `cluster ${clusterId} answers, ${replaces ?? 'none'} is to be replaced`,
      );
    if (!isConfirmed) return refuse(input, 'discard-not-confirmed', `cluster ${clusterId} is alive`);
    if (backup?.clusterId !== clusterId)
      refuse(input, 'backup-missing', 'no verified backup of the cluster that is replaced was taken in this run');
    return;
  }
  const holders = live.hosts.filter((host) =>
    host.facts.known
      ? replaces !== undefined && host.facts.value.member.data.clusterId === replaces
      : // Switched off, perhaps, with everything on its disk.
        !host.declared || input.spec.hosts.some((candidate) => candidate.name === host.name && candidate.cordon),
  );
  const places = record?.members ?? holders.length;
  const running = live.hosts.filter(
    (host) =>
      host.facts.known &&
      host.facts.value.member.process.state === 'running' &&
      replaces !== undefined &&
      host.facts.value.member.data.clusterId === replaces,
  );
  if (running.length > 0 && running.length >= Math.trunc((record?.members ?? running.length) / 2) + 1)
    return refuse(
      input,
      'no-quorum',
      `${running.length} members of ${replaces} run, and none answers (${live.etcd.reason})`,
    );
  if (!isConfirmed && holders.length > 0 && holders.length >= Math.trunc(places / 2) + 1)
    refuse(
      input,
      'discard-not-confirmed',
      `${holders.length} of ${places} members may still hold the data of ${replaces}`,
    );
}

/** Clients are let in to the very cluster that was restored, whole, and to nothing else. */
export function guardRelease(input: GuardInput): void {
  const { live, step } = input;
  if (!live.record.known) return refuse(input, 'store-unknown', `the record cannot be read (${live.record.reason})`);
  const operation = live.record.value?.record.operation;
  if (operation?.type !== 'restore' || operation.bootstrapId !== step.detail.bootstrapId)
    return refuse(input, 'restore-not-declared', `no restore ${step.detail.bootstrapId} is on record`);
  if (!live.etcd.known) return refuse(input, 'no-quorum', `no quorum answers (${live.etcd.reason})`);
  const { members, clusterId } = live.etcd.value;
  const hosts = Object.keys(step.detail.hosts ?? {});
  if (members.length !== hosts.length || operation.hosts.length !== hosts.length)
    return refuse(
      input,
      'restore-interrupted',
      `${members.length} members answer, ${hosts.length} were to be restored`,
    );
  for (const host of hosts) {
    const { latched } = facts(input, host).member;
    const member = members.find((candidate) => candidate.host === host);
    if (member === undefined || !isServing(member)) refuse(input, 'not-healthy', `${host} is not healthy`);
    if (latched?.bootstrapId !== operation.bootstrapId || latched.clusterId !== clusterId)
      refuse(input, 'cluster-id-mismatch', `${host} does not run the restored cluster`);
  }
}
