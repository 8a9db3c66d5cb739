import { redact } from '../base/redact.ts';
import type { LiveState } from '../observe/live-state.ts';
import { isHealthy } from '../observe/live-state.ts';
import type { Notice, Plan } from '../plan/plan.ts';
import { backedUp, backupsWhole, drillPassed } from './backup-conditions.ts';
import type { Finding } from './condition.ts';
import { counted } from './shown.ts';
import type { ClusterStatus, ConditionStatus } from './status.generated.ts';
import type { ClusterStatusInput } from './status-input.ts';

/** The same types for every cluster, in this order, so that an alert can rely on them. */
export function conditionsOf(input: ClusterStatusInput, phase: ClusterStatus['phase']): readonly ConditionStatus[] {
  const { live, spec, backups } = input;
  const findings: Readonly<Record<string, Finding>> = {
    Ready: ready(input, phase),
    SpecLoaded: specLoaded(input),
    Reconciled: reconciled(input),
    MembersHealthy: live === undefined ? notObserved : membersHealthy(live),
    AgentsReachable: live === undefined ? notObserved : agentsReachable(live),
    StoreReachable: live === undefined ? notObserved : storeReachable(live),
    BackedUp: live === undefined ? notObserved : backedUp(live, spec, backups),
    BackupsWhole: live === undefined ? notObserved : backupsWhole(live, backups),
    DrillPassed: live === undefined ? notObserved : drillPassed(live, spec, backups),
    RunSucceeded: runSucceeded(input),
  };
  // Nothing is remembered from look to look: where the time of the change is not on record, it is that of the look.
  const seenAtMs = live?.observedAtMs ?? input.loop?.atMs ?? 0;
  return Object.entries(findings).map(([type, [status, reason, message, sinceMs]]) => ({
    type,
    status,
    reason,
    message: redact(message),
    sinceMs: Math.max(0, Math.round(sinceMs ?? seenAtMs)),
  }));
}

const notObserved: Finding = ['Unknown', 'NotObserved', 'The cluster was not looked at.'];

function ready({ spec, plan, loop, live }: ClusterStatusInput, phase: ClusterStatus['phase']): Finding {
  switch (phase) {
    case 'Converged':
      return ['True', 'Converged', 'The cluster is as declared.'];
    case 'Reconciling':
      return restoring(live) ?? ['False', 'ChangesPlanned', `To be done: ${stepsText(plan)}.`];
    case 'Orphaned':
      return [
        'Unknown',
        'FileRemoved',
        'Its file is gone from the repository. It keeps running and is touched no more. What to do: put the file back to have it looked after again.',
      ];
    case 'Suspended':
      return [
        'Unknown',
        'Suspended',
        `spec.suspend is true, so nothing is changed.${(plan?.steps.length ?? 0) > 0 ? ` Left undone: ${stepsText(plan)}.` : ''} What to do: set suspend: false to go on.`,
      ];
    case 'Fighting':
      return [
        'False',
        'CorrectionsRepeated',
        'The same correction was needed three times without a new commit, so somebody or something works against it. What to do: find out who else changes this cluster, then make a new commit.',
        loop?.atMs,
      ];
    case 'Lost':
      return ['False', 'ClusterLost', refusalsText(plan)];
    case 'Refused':
      return spec === undefined
        ? ['False', 'SpecNeverLoaded', 'Its file was never readable, so nothing is known of what is wanted.']
        : ['False', 'PlanRefused', refusalsText(plan)];
    case 'Degraded':
      return degraded(plan, live);
  }
}

/** While a restore is on record, what it is comes before what is left of it. */
function restoring(live: LiveState | undefined): Finding | undefined {
  const operation = live?.record.known === true ? live.record.value?.record.operation : undefined;
  if (operation?.type !== 'restore') return undefined;
  return [
    'False',
    'Restoring',
    `Backup ${operation.backup} is being restored (bootstrap ${operation.bootstrapId}); clients are kept out until its members have been checked.`,
    operation.startedAtMs,
  ];
}

function degraded(plan: Plan | undefined, live: LiveState | undefined): Finding {
  const restore = restoring(live);
  if (restore !== undefined && plan !== undefined)
    return ['False', 'Restoring', [restore[2], ...plan.waits.map(noticeText)].join('\n'), restore[3]];
  if (plan === undefined || live === undefined) return notObserved;
  if (plan.waits.length > 0) return ['False', 'Waited', plan.waits.map(noticeText).join('\n')];
  if (!live.etcd.known) return ['Unknown', 'QuorumNotSeen', `No quorum answered: ${live.etcd.reason}.`];
  return ['False', 'MemberFailed', 'A member did not answer its health check.'];
}

function specLoaded({ isOrphaned, diagnostics, spec, commit }: ClusterStatusInput): Finding {
  if (isOrphaned) return ['False', 'FileRemoved', 'Its file is gone from the repository.'];
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
  const kept =
    spec === undefined ? 'No earlier one is known.' : `The spec of commit ${commit.slice(0, 12)} stays in force.`;
  if (errors > 0 || spec === undefined)
    return [
      'False',
      'LoadFailed',
      `${counted(errors, 'error')} in its file. ${kept} What to do: mend what the findings say.`,
    ];
  return ['True', 'Loaded', `Read at commit ${commit.slice(0, 12)}.`];
}

function reconciled({ loop }: ClusterStatusInput): Finding {
  if (loop === undefined)
    return [
      'Unknown',
      'NeverLooked',
      'No controller has left word about this cluster. What to do: see that quorate controller runs.',
    ];
  const { atMs, error, result } = loop;
  if (error !== null) {
    const remedy = error.remedy === undefined ? '' : ` What to do: ${error.remedy}`;
    return ['False', 'PassFailed', `${error.summary} [${error.code}].${remedy}`, atMs];
  }
  switch (result) {
    case 'pass':
      return ['True', 'PassEnded', 'The last pass ended without an error.', atMs];
    case 'held':
      return ['Unknown', 'LeaseHeld', 'Another run holds the lease of this cluster.', atMs];
    case 'orphaned':
      return ['Unknown', 'FileRemoved', 'The controller leaves it alone since its file is gone.', atMs];
    case 'no-spec':
      return ['False', 'SpecNeverLoaded', 'The controller has no readable spec of it.', atMs];
    case 'fighting':
      return [
        'False',
        'CorrectionsRepeated',
        'The controller has stopped correcting until there is a new commit.',
        atMs,
      ];
    case 'error':
      return ['False', 'PassFailed', 'The last pass failed.', atMs];
  }
}

function membersHealthy({ etcd }: LiveState): Finding {
  if (!etcd.known) return ['Unknown', 'QuorumNotSeen', `No quorum answered: ${etcd.reason}.`];
  const sick = etcd.value.members.flatMap((member) => {
    if (isHealthy(member)) return [];
    const reason = member.health.known ? (member.status.known ? '' : member.status.reason) : member.health.reason;
    return [`${member.host ?? member.id} (${reason})`];
  });
  if (sick.length === 0)
    return ['True', 'MembersAnswered', `All ${counted(etcd.value.members.length, 'member')} answered.`];
  return ['False', 'MemberFailed', `Not healthy: ${sick.join(', ')}. What to do: look at quorate logs of these hosts.`];
}

function agentsReachable({ hosts }: LiveState): Finding {
  const silent = hosts.flatMap((host) => (host.facts.known ? [] : [`${host.name} (${host.facts.reason})`]));
  if (silent.length === 0) return ['True', 'AgentsAnswered', `All ${counted(hosts.length, 'agent')} answered.`];
  return [
    'False',
    'AgentNotAnswered',
    `No answer from ${silent.join(', ')}. What to do: see that the agent runs there and can be reached. Members run on without it.`,
  ];
}

function storeReachable({ record, backups }: LiveState): Finding {
  const failed = [record, backups].find((part) => !part.known);
  if (failed === undefined || failed.known) return ['True', 'StoreRead', 'The backup store was read.'];
  return [
    'False',
    'StoreReadFailed',
    `${failed.reason}. Nothing is changed meanwhile. What to do: see that spec.backup.store names the store and that it can be reached.`,
  ];
}

function runSucceeded({ lastRun }: ClusterStatusInput): Finding {
  if (lastRun === undefined) return ['Unknown', 'NeverRan', 'No run is on record.'];
  const why = lastRun.error === undefined ? '' : ` ${lastRun.error.summary} [${lastRun.error.code}].`;
  switch (lastRun.outcome) {
    case 'done':
      return ['True', 'RunSucceeded', `All ${counted(lastRun.steps.length, 'step')} were done.`, lastRun.endedAtMs];
    case 'failed':
      return ['False', 'RunFailed', `The last run failed.${why}`, lastRun.endedAtMs];
    // Ended between two steps: neither a success nor a fault.
    case 'interrupted':
      return ['Unknown', 'RunInterrupted', `The last run was interrupted.${why}`, lastRun.endedAtMs];
    case 'superseded':
      return ['Unknown', 'RunSuperseded', `The last run gave way.${why}`, lastRun.endedAtMs];
  }
}

function stepsText(plan: Plan | undefined): string {
  const steps = plan?.steps ?? [];
  const first = steps.slice(0, 8).map((step) => `${step.action} ${step.target}`);
  return [...first, ...(steps.length > first.length ? [`${steps.length - first.length} more`] : [])].join(', ');
}

function refusalsText(plan: Plan | undefined): string {
  return (plan?.refusals ?? []).map((refusal) => `${noticeText(refusal)} What to do: ${refusal.remedy}`).join('\n');
}

function noticeText({ code, summary, detail }: Notice): string {
  return `${summary} ${detail} [${code}]`;
}
