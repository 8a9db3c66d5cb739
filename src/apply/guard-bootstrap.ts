import type { RecordedBootstrap } from '../backup/store.ts';
import type { Step } from '../plan/plan.ts';
import { facts, type GuardInput, refuse } from './guard-input.ts';

/** Invariant 5: the words, and every witness, looked at again now. */
export function guardBootstrap(input: GuardInput): void {
  const { spec, step, live } = input;
  if (!live.record.known) return refuse(input, 'store-unknown', `the record cannot be read (${live.record.reason})`);
  if (!live.backups.known) return refuse(input, 'store-unknown', `backups cannot be listed (${live.backups.reason})`);
  const record = live.record.value?.record;
  const operation = record?.operation;
  if (operation?.type === 'restore')
    return refuse(input, 'restore-interrupted', `the restore of ${operation.backup} is not at its end`);
  for (const host of spec.hosts) facts(input, host.name);
  if (live.etcd.known) return refuse(input, 'hosts-not-empty', `cluster ${live.etcd.value.clusterId} is running`);
  if (operation !== undefined && operation !== null && isSameBootstrap(step, operation))
    return guardResume(input, operation);
  const words = spec.bootstrap;
  if (words?.id !== step.detail.bootstrapId || words?.from !== 'empty')
    return refuse(input, 'bootstrap-not-declared', `the spec does not declare bootstrap ${step.detail.bootstrapId}`);
  // Hosts out of the spec that do not answer are part of what the words give up; those in it must answer.
  const witnesses = live.hosts.filter((host) => host.declared || host.facts.known || words.discardData === undefined);
  const isUntouchedOrGivenUp = witnesses.every((host) => {
    const { data, latched } = facts(input, host.name).member;
    const isDataGone = data.state === 'empty' || (data.clusterId !== undefined && data.clusterId === words.discardData);
    return isDataGone && (latched === null || latched.clusterId === words.discardData);
  });
  if (operation !== undefined && operation !== null && !isUntouchedOrGivenUp)
    return refuse(input, 'bootstrap-interrupted', `bootstrap ${operation.bootstrapId} is half done`);
  const isGivenUp = (clusterId: string | null | undefined): boolean =>
    clusterId === null || clusterId === undefined || clusterId === words.discardData;
  if (record?.bootstrapIds.includes(words.id) === true)
    refuse(input, 'bootstrap-id-used', `bootstrap ${words.id} has run before`);
  if (!isGivenUp(record?.clusterId))
    refuse(input, 'discard-not-confirmed', `cluster ${record?.clusterId} is on record`);
  const backup = live.backups.value[0];
  if (
    backup !== undefined &&
    (words.discardData === undefined || (record === undefined && backup.proof?.clusterId !== words.discardData))
  )
    refuse(input, 'discard-not-confirmed', `the store holds backup ${backup.name} of a cluster of this name`);
  for (const host of witnesses) {
    const { data, latched } = facts(input, host.name).member;
    if (!isGivenUp(latched?.clusterId))
      refuse(input, 'discard-not-confirmed', `${host.name} remembers cluster ${latched?.clusterId}`);
    if (data.state === 'present' && (data.clusterId === undefined || data.clusterId !== words.discardData))
      refuse(input, 'hosts-not-empty', `${host.name} holds data of ${data.clusterId ?? 'an unknown cluster'}`);
  }
}

function isSameBootstrap(step: Step, operation: RecordedBootstrap): boolean {
  const { bootstrapId, token, initialCluster } = step.detail;
  return (
    operation.bootstrapId === bootstrapId &&
    operation.token === token &&
    operation.initialCluster === initialCluster &&
    operation.discardData === (step.detail.discardData ?? null)
  );
}

/**
 * Going on with a bootstrap: no host may hold or remember another cluster than the one that is forming or the one
 * given up; and once some have run, empty ones are filled only shortly after the begin: later they may be
 * replaced hosts of a cluster that has served.
 */
function guardResume(input: GuardInput, operation: RecordedBootstrap): void {
  const places = operation.hosts.map((name) => ({ name, member: facts(input, name).member }));
  const started = places.filter(({ member }) => member.latched?.bootstrapId === operation.bootstrapId);
  const forming = started[0]?.member.latched?.clusterId;
  for (const { name, member } of places) {
    if (member.data.state === 'present' && member.data.clusterId === undefined && member.latched === null)
      refuse(input, 'hosts-not-empty', `${name} holds data of an unknown cluster`);
    for (const id of [member.data.clusterId, member.latched?.clusterId])
      if (id !== undefined && id !== forming && id !== operation.discardData)
        refuse(
          input,
          'hosts-not-empty',
          `${name} holds or remembers cluster ${id}, forming is ${forming ?? 'a new one'}`,
        );
  }
  const isLate = input.live.observedAtMs - operation.startedAtMs >= 10 * 60_000;
  if (isLate && started.length > 0 && started.length < places.length)
    refuse(
      input,
      'bootstrap-interrupted',
      `${started.length} of ${places.length} hosts ran their member long ago, the others are empty`,
    );
}
