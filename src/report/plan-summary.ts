import { type Action, type Plan, risks, type Step } from '../plan/plan.ts';
import { quorumOf } from '../plan/view.ts';
import { counted } from './shown.ts';

/** What a plan comes to. `waiting`: something is to be seen or done first, so nothing can be said to be as declared. */
export type PlanState = 'refused' | 'changes' | 'waiting' | 'converged';

export function planState(plan: Plan): PlanState {
  if (plan.refusals.length > 0) return 'refused';
  if (plan.steps.length > 0) return 'changes';
  return plan.waits.length > 0 || plan.changes.length > 0 ? 'waiting' : 'converged';
}

/** The higher, the more a reader should look at it: refused, destructive … none, waiting, converged. */
export function severityOf(plan: Plan): number {
  const state = planState(plan);
  if (state === 'refused') return risks.length + 2;
  if (state === 'changes') return 2 + Math.max(...plan.steps.map((step) => risks.indexOf(step.risk)));
  return state === 'waiting' ? 1 : 0;
}

/** `2 to add, 3 to restart, 1 to remove`: every step is counted under one of these. Backups are counted by the caller. */
export function countsText(steps: readonly Step[]): string {
  const targets = (action: Action): readonly string[] =>
    steps.filter((step) => step.action === action).map((step) => step.target);
  // A learner that is added is promoted, a member that is removed is archived, a cluster that is restored is released: one thing to a reader.
  const promoted = targets('promote-member').filter((target) => !targets('add-learner').includes(target));
  const archived = targets('archive-data').filter((target) => !targets('remove-member').includes(target));
  const released = targets('release').filter((target) => !targets('restore-cluster').includes(target));
  const count = (list: readonly string[], words: string): string[] =>
    list.length === 0 ? [] : [`${list.length} ${words}`];
  return [
    ...count(targets('bootstrap-cluster'), 'to create'),
    ...count(targets('restore-cluster'), 'to restore'),
    ...count(released, 'to release'),
    ...count(targets('add-learner'), 'to add'),
    ...count(promoted, 'to promote'),
    ...count(targets('start-member'), 'to start'),
    ...count(targets('restart-member'), 'to restart'),
    ...count(targets('remove-member'), 'to remove'),
    ...count(archived, 'to archive'),
    ...(targets('issue-certificate').length === 0
      ? []
      : [`certificates for ${counted(targets('issue-certificate').length, 'host')}`]),
    ...(targets('move-leader').length === 0 ? [] : [counted(targets('move-leader').length, 'leader move')]),
  ].join(', ');
}

/**
 * How near to losing quorum the steps come, where the plan itself says how many voters there are; else
 * what can be said without that number. Undefined when nothing can.
 */
export function quorumText(plan: Plan): string | undefined {
  const { steps } = plan;
  if (steps.some((step) => step.risk === 'outage' || step.action === 'restore-cluster')) return 'There is an outage.';
  const voters = plan.changes.find((change) => change.path === '/spec/members')?.live;
  // With something unseen nobody knows how many of them are up.
  if (typeof voters === 'number' && voters > 0 && plan.waits.length === 0) {
    const { up, of } = lowestPoint(steps, voters);
    return up < quorumOf(of) ? `Quorum is lost with ${up} of ${of}.` : `Quorum never below ${up} of ${of}.`;
  }
  const restarts = steps.filter((step) => step.action === 'restart-member').length;
  return restarts > 1 ? 'One member at a time.' : undefined;
}

interface Point {
  readonly up: number;
  readonly of: number;
}

/** The moment with the fewest voters to spare; of several the one with the fewest voters up. */
function lowestPoint(steps: readonly Step[], votersBefore: number): Point {
  let voters = votersBefore;
  const points: Point[] = [{ up: voters, of: voters }];
  for (const step of steps) {
    if (step.action === 'promote-member') voters++;
    // A learner that goes has no vote to take with it.
    if (step.action === 'remove-member' && step.risk !== 'none') voters--;
    points.push({ up: step.action === 'restart-member' ? voters - 1 : voters, of: voters });
  }
  const spare = (point: Point): number => point.up - quorumOf(point.of);
  return points.reduce((low, point) =>
    spare(point) < spare(low) || (spare(point) === spare(low) && point.up < low.up) ? point : low,
  );
}
