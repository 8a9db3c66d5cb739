import type { LiveState } from '../../../src/observe/live-state.ts';
import type { Plan, Step } from '../../../src/plan/plan.ts';

interface Voters {
  readonly healthy: Set<string>;
  readonly sick: Set<string>;
  readonly learners: Set<string>;
  leader: string | undefined;
}

/**
 * Walks through a plan with pencil and paper, host by host, and gives what is wrong with it. It knows
 * nothing of how plans are made: only who votes, who is healthy, and what each action does.
 */
export function prefixFaults(live: LiveState, { steps, applyable }: Plan): readonly string[] {
  if (!live.etcd.known || !applyable) return [];
  const { members, leaderId } = live.etcd.value;
  const nameOf = (id: string | null): string | undefined => {
    const member = members.find((candidate) => candidate.id === id);
    return member === undefined ? undefined : (member.host ?? member.id);
  };
  const voters: Voters = { healthy: new Set(), sick: new Set(), learners: new Set(), leader: nameOf(leaderId) };
  for (const member of members) {
    const set = member.isLearner
      ? voters.learners
      : member.health.known && member.status.known
        ? voters.healthy
        : voters.sick;
    set.add(member.host ?? member.id);
  }
  const faults: string[] = [];
  let isBackedUp = false;
  for (const step of steps) {
    const needsBackup = !['backup', 'start-member', 'issue-certificate'].includes(step.action);
    if (needsBackup && !isBackedUp) faults.push(`${step.id}: no backup before ${step.action}`);
    if (step.action === 'backup') isBackedUp = true;
    faults.push(...stepFaults(step, voters).map((fault) => `${step.id}: ${step.action} ${step.target}: ${fault}`));
  }
  return faults;
}

function stepFaults(step: Step, voters: Voters): readonly string[] {
  const { healthy, sick, learners } = voters;
  const { target, action } = step;
  const faults: string[] = [];
  const needsQuorum = (present: number, all: number): void => {
    if (present < Math.floor(all / 2) + 1) faults.push(`${present} of ${all} voters would be left`);
  };
  if (action === 'restart-member') {
    if (!healthy.has(target)) faults.push('it is no healthy voter');
    if (healthy.size + sick.size > 1) {
      needsQuorum(healthy.size - 1, healthy.size + sick.size);
      if (voters.leader === target) faults.push('it leads');
    } else if (step.risk !== 'outage') faults.push('the outage is not stated');
  }
  if (action === 'move-leader') {
    if (!healthy.has(step.detail.to ?? '')) faults.push(`${step.detail.to} is no healthy voter`);
    voters.leader = step.detail.to;
  }
  if (action === 'add-learner') {
    if (learners.size > 0 && !learners.has(target)) faults.push('another learner is joining');
    if (sick.size > 0) faults.push(`${[...sick].join()} is sick`);
    if (healthy.has(target)) faults.push('it votes already');
    learners.add(target);
  }
  if (action === 'promote-member') {
    if (!learners.delete(target)) faults.push('it is no learner');
    healthy.add(target);
    needsQuorum(healthy.size, healthy.size + sick.size);
  }
  if (action === 'remove-member') {
    if (!learners.delete(target)) {
      if (learners.size > 0) faults.push('a learner is joining');
      // One that does not answer cannot hand over; the others elect a leader without it.
      if (voters.leader === target && healthy.has(target)) faults.push('it leads');
      healthy.delete(target);
      sick.delete(target);
      needsQuorum(healthy.size, healthy.size + sick.size);
    }
  }
  if (action === 'archive-data' && (healthy.has(target) || sick.has(target) || learners.has(target)))
    faults.push('it is a member');
  if (action === 'bootstrap-cluster' && healthy.size > 0) faults.push('a cluster is running');
  return faults;
}
