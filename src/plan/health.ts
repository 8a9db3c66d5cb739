import { isHealthy } from '../observe/live-state.ts';
import type { Draft } from './draft.ts';
import type { Notice } from './plan.ts';
import { type ClusterView, hostView, memberName } from './view.ts';

/**
 * Lets changes through only while every member is healthy and every witness can be read. What stands
 * in the way becomes a refusal when it is a sick member, and a wait when we merely cannot see.
 */
export function gate(view: ClusterView, pending: Draft, draft: Draft): void {
  const blind = unseen(view);
  const sick = unhealthy(view);
  for (const notice of [...blind, ...sick]) draft.wait(notice);
  for (const warning of pending.warnings) draft.warn(warning);
  const hasChanges = pending.steps.length > 0;
  if (blind.length + sick.length === 0 || (!hasChanges && pending.refusals.length > 0)) {
    const isRefused = pending.refusals.length + draft.refusals.length > 0;
    for (const refusal of pending.refusals) draft.refuse(refusal);
    for (const wait of pending.waits) draft.wait(wait);
    for (const { path, live, desired } of pending.changes) draft.change(path, live, desired);
    if (blind.length + sick.length === 0 && !isRefused) for (const step of pending.steps) draft.step(step);
    return;
  }
  if (!hasChanges) return;
  for (const { path, live, desired } of pending.changes) draft.change(path, live, desired);
  if (sick.length === 0) return;
  draft.refuse({
    code: 'not-healthy',
    summary: 'A change waits until every member is healthy.',
    detail: `${sick.map((notice) => notice.detail).join(' ')} Waiting to be done: ${pending.steps.map((step) => `${step.action} ${step.target}`).join(', ')}.`,
    remedy:
      'Bring the member back (look at `quorate logs`), or cordon its host (`cordon: true`) so that it is replaced by a spare. The change goes on by itself once all are healthy.',
  });
}

/** What we cannot see but would need to. */
function unseen(view: ClusterView): readonly Notice[] {
  const notices: Notice[] = [];
  if (!view.live.record.known) notices.push(storeUnknown(view.live.record.reason));
  else if (!view.live.backups.known) notices.push(storeUnknown(view.live.backups.reason));
  if (!view.live.authorities.known) {
    notices.push({
      code: 'keystore-unknown',
      summary: 'The keystore cannot be read.',
      detail: view.live.authorities.reason,
    });
  }
  for (const host of view.hosts) {
    if (host.member === undefined) continue;
    if (!host.live.facts.known) notices.push(agentUnreachable(host.name, host.live.facts.reason));
    else if (isHealthy(host.member) && host.facts?.member.process.state !== 'running')
      notices.push({
        code: 'agent-forgot',
        summary: 'A member serves, but its agent does not know it.',
        detail: `Member ${host.name} answers while the agent of its host reports no running process. Look at the agent's dataDir: it may be another one than the member was started from.`,
      });
  }
  return notices;
}

function unhealthy(view: ClusterView): readonly Notice[] {
  const notices: Notice[] = [];
  for (const member of view.voters) {
    if (isHealthy(member)) continue;
    const reason = member.health.known ? (member.status.known ? '' : member.status.reason) : member.health.reason;
    const process = hostView(view, member.host)?.facts?.member.process;
    const exit =
      process?.state === 'crashed' && process.lastExit !== undefined
        ? ` Its process crashed: ${process.lastExit.logTail.at(-1) ?? 'no log'}.`
        : '';
    notices.push({
      code: 'member-unhealthy',
      summary: 'A member is not healthy.',
      detail: `Member ${memberName(member)} (${member.id}): ${reason}.${exit}`,
    });
  }
  if (view.cluster.leaderId === null) {
    notices.push({
      code: 'no-leader',
      summary: 'The cluster has no leader at the moment.',
      detail: 'No member reports a leader; an election may be under way.',
    });
  }
  for (const alarm of view.cluster.alarms.filter((raised) => raised.alarm === 'NOSPACE')) {
    notices.push({
      code: 'alarm-nospace',
      summary: 'A member is out of space.',
      detail: `NOSPACE is raised for member ${alarm.memberId}: compact, defragment and disarm the alarm with quorate etcdctl; a larger quota-backend-bytes can be committed after that.`,
    });
  }
  return notices;
}

export function storeUnknown(reason: string): Notice {
  return {
    code: 'store-unknown',
    summary: 'The backup store cannot be read.',
    detail: `${reason}. Nothing is changed without its record and a verified backup.`,
  };
}

export function agentUnreachable(host: string, reason: string): Notice {
  return {
    code: 'agent-unreachable',
    summary: 'An agent does not answer.',
    detail: `Host ${host}: ${reason}. Its member may well be running; nothing is concluded from silence.`,
  };
}
