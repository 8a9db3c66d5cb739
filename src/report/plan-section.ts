import { type Notice, type Plan, type Refusal, risks, type Step } from '../plan/plan.ts';
import { mdBlock, mdCode, mdText } from './markdown.ts';
import { countsText, planState, quorumText } from './plan-summary.ts';
import { reasonSentence } from './reasons.ts';
import { clip, counted, indented, valueText } from './shown.ts';
import { isSevere, riskTexts, stepFacts, symbolsOf } from './step-text.ts';

/** One cluster of a comment in pieces, each of which can be left out by itself. Pieces end with a line break. */
export interface Section {
  /** Heading and summary. */
  readonly head: string;
  readonly refusals: readonly { readonly full: string; readonly short: string }[];
  readonly rows: readonly { readonly text: string; readonly isSevere: boolean }[];
  readonly notices: readonly string[];
  /** For the folded part; made only when there is room, since flags of many members are long. */
  readonly details: readonly (() => string)[];
}

export const tableHead = '| # | Step | Target | Why | Risk |\n| ---: | --- | --- | --- | --- |\n';

/** Names and codes are short; what is longer comes from somebody who means no good. */
const maxName = 120;

export function sectionOf(plan: Plan): Section {
  return {
    head: `### quorate plan · ${mdText(clip(plan.cluster, maxName))} · ${verdict(plan)} · ${identity(plan)}\n\n${summary(plan)}\n\n`,
    refusals: plan.refusals.map(refusalTexts),
    rows: plan.steps.map((step) => ({ text: row(step), isSevere: isSevere(step) })),
    notices: [
      ...plan.waits.map((wait) => noticeItem('⏳ Waiting', wait)),
      ...plan.warnings.map((warning) => noticeItem('Warning', warning)),
    ],
    details: [
      () => `Digest ${mdCode(plan.digest)}, commit ${mdCode(plan.commit)}.\n\n`,
      ...(plan.changes.length === 0 ? [] : [() => mdBlock(plan.changes.map(changeDiff).join('\n'), 'diff')]),
      ...plan.steps.filter(hasDetail).map((step) => () => stepDetail(step)),
    ],
  };
}

export function noticeItem(kind: string, { code, summary: what, detail }: Notice): string {
  return `- **${kind}** ${mdCode(clip(code, maxName))}: ${mdText(what)} ${mdText(detail)}\n`;
}

/** Worst first, so that the first words tell whether it is safe. */
function verdict(plan: Plan): string {
  switch (planState(plan)) {
    case 'refused':
      return `⛔ refused: ${mdText(clip(plan.refusals.map((refusal) => refusal.code).join(', '), maxName))}`;
    case 'waiting':
      return '⏳ waiting';
    case 'converged':
      return 'no changes';
    case 'changes':
      return riskCounts(plan.steps);
  }
}

function riskCounts(steps: readonly Step[]): string {
  const parts = risks.toReversed().flatMap((risk) => {
    const count = steps.filter((step) => step.risk === risk).length;
    if (risk === 'none' || count === 0) return [];
    if (risk === 'destructive') return [`⚠ ${count} destructive`];
    if (risk === 'outage') return [`⚠ ${counted(count, 'outage')}`];
    return [counted(count, risk === 'member-restarts' ? 'restart' : 'leader move')];
  });
  return parts.length === 0 ? 'no risk' : parts.join(', ');
}

function identity({ digest, commit }: Plan): string {
  return `${mdText(clip(digest, 'sha256:'.length + 12))} @ ${mdText(commit.slice(0, 7))}`;
}

function summary(plan: Plan): string {
  switch (planState(plan)) {
    case 'refused':
      return `Refused: ${counted(plan.refusals.length, 'reason')}. ${plan.steps.length === 0 ? 'Nothing is changed.' : `Beside it: ${countsText(plan.steps)}.`}`;
    case 'waiting':
      return 'Waiting: nothing is changed before more is known.';
    case 'converged':
      return 'The cluster is as declared.';
    case 'changes': {
      const at = plan.steps.findIndex((step) => step.action === 'backup');
      const counts = countsText(plan.steps);
      const sentences = [
        counts === '' ? undefined : `${counts}.`,
        quorumText(plan),
        at === -1 ? undefined : at === 0 ? 'Backup first.' : `Backup before step ${at + 2}.`,
      ];
      return sentences.filter((sentence) => sentence !== undefined).join(' ');
    }
  }
}

function row(step: Step): string {
  const symbols = symbolsOf(step).join('');
  const cells = [
    mdText(clip(step.id, maxName)),
    mdCode(`${symbols}${symbols === '' ? '' : ' '}${step.action}`),
    mdCode(clip(step.target, maxName)),
    mdText(clip(reasonSentence(step.reason), maxName)),
    isSevere(step) ? `⚠ **${riskTexts[step.risk]}**` : riskTexts[step.risk],
  ];
  return `| ${cells.join(' | ')} |\n`;
}

/** The remedy stays whole in both, as far as anybody would write one. */
function refusalTexts({ code, summary: what, detail, remedy }: Refusal): { full: string; short: string } {
  const head = `**Refused** ${mdCode(clip(code, maxName))}: ${mdText(clip(what, 300))}`;
  const block = mdBlock(clip(remedy, 4000));
  return {
    full: `${head}\n\nSeen: ${mdText(clip(detail, 4000))}\n\nWhat to do:\n\n${block}`,
    short: `${head}\n\n${block}`,
  };
}

function changeDiff({ path, live, desired }: Plan['changes'][number]): string {
  const lines = (sign: string, value: unknown): readonly string[] =>
    (Array.isArray(value) && value.length > 0 ? value : [value]).map((item: unknown) => `${sign} ${valueText(item)}`);
  return [`  ${valueText(path)}`, ...lines('-', live), ...lines('+', desired)].join('\n');
}

function hasDetail({ detail }: Step): boolean {
  return Object.values(detail).some((value) => value !== undefined);
}

function stepDetail(step: Step): string {
  const differences = (step.detail.differences ?? []).map(differenceDiff);
  const facts = stepFacts({ ...step, detail: { ...step.detail, differences: [] } });
  const flags = flagTexts(step);
  return [
    `**${mdText(step.id)}** ${mdCode(step.action)} ${mdCode(clip(step.target, maxName))}\n\n`,
    facts.length === 0 ? '' : mdBlock(facts.join('\n')),
    differences.length === 0 ? '' : mdBlock(differences.join('\n'), 'diff'),
    flags.length === 0 ? '' : `Flags:\n\n${mdBlock(flags.join('\n'))}`,
  ].join('');
}

/** `before → after` as the planner writes it; anything else is a remark. */
function differenceDiff(text: string): string {
  const [before, after, ...others] = valueText(text).split(' → ');
  return after === undefined || others.length > 0 ? `  ${valueText(text)}` : `- ${before ?? ''}\n+ ${after}`;
}

function flagTexts({ detail }: Step): readonly string[] {
  const list = (flags: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(flags).map(([name, value]) => valueText(`--${name}=${value}`));
  return [
    ...list(detail.flags ?? {}),
    ...Object.entries(detail.hosts ?? {}).flatMap(([host, flags]) => [
      `${valueText(host)}:`,
      ...list(flags).map((flag) => indented(flag, 2)),
    ]),
  ];
}
