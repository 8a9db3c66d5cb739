import type { Action, Risk, Step } from '../plan/plan.ts';
import { shownInline } from './shown.ts';

export type Symbol = '+' | '-' | '~' | '!';

const symbols: Readonly<Record<Action, '+' | '-' | '~' | ''>> = {
  backup: '',
  'bootstrap-cluster': '+',
  'add-learner': '+',
  'promote-member': '~',
  'remove-member': '-',
  'start-member': '~',
  'restart-member': '~',
  'move-leader': '~',
  'issue-certificate': '~',
  'archive-data': '-',
  'restore-cluster': '~',
  release: '~',
};

export const symbolMeanings: Readonly<Record<Symbol, string>> = {
  '+': 'add',
  '-': 'remove',
  '~': 'change',
  '!': 'outage or destructive',
};

export const riskTexts: Readonly<Record<Risk, string>> = {
  none: 'none',
  'leader-moves': 'leader moves',
  'member-restarts': 'member restarts',
  outage: 'outage',
  destructive: 'destructive',
};

/** Steps that a reader must not miss. */
export function isSevere(step: Step): boolean {
  return step.risk === 'outage' || step.risk === 'destructive';
}

/** What the action does, then how bad it is: `+`, `-!`, or nothing for a step that changes nothing. */
export function symbolsOf(step: Step): readonly Symbol[] {
  const symbol = symbols[step.action];
  return [...(symbol === '' ? [] : [symbol]), ...(isSevere(step) ? (['!'] as const) : [])];
}

/** What the action needs to know, a line each; all flags are left out, their differences are there. */
export function stepFacts(step: Step): readonly string[] {
  const { detail } = step;
  const facts = [
    detail.to === undefined ? undefined : `leadership goes to ${detail.to}`,
    detail.discardData === undefined ? undefined : `gives up the data of cluster ${detail.discardData}`,
    detail.backup === undefined ? undefined : `backup ${detail.backup}`,
    detail.replaces === undefined ? undefined : `takes the place of cluster ${detail.replaces}`,
    detail.bumpRevision === undefined || detail.bumpRevision === 0
      ? undefined
      : `revisions raised by ${detail.bumpRevision}, all before marked as compacted`,
    detail.bootstrapId === undefined ? undefined : `bootstrap id ${detail.bootstrapId}`,
    detail.initialCluster === undefined ? undefined : `members ${detail.initialCluster.replaceAll(',', ', ')}`,
    detail.peerUrl === undefined ? undefined : `peer URL ${detail.peerUrl}`,
    detail.version === undefined ? undefined : `etcd ${detail.version}`,
    step.action === 'move-leader' || detail.memberId === undefined ? undefined : `member ${detail.memberId}`,
    ...(detail.differences ?? (detail.domains === undefined ? [] : [`for ${detail.domains.join(' and ')} traffic`])),
  ];
  return facts.flatMap((fact) => (fact === undefined || fact === '' ? [] : [shownInline(fact)]));
}
