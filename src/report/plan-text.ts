import type { Notice, Plan, Refusal, Step } from '../plan/plan.ts';
import { type Paint, type Palette, paletteOf } from './palette.ts';
import { countsText, planState, quorumText } from './plan-summary.ts';
import { reasonSentence } from './reasons.ts';
import { counted, indented, shortCommit, shown, shownInline, valueText } from './shown.ts';
import { riskTexts, type Symbol, stepFacts, symbolMeanings, symbolsOf } from './step-text.ts';

/** A plan for a terminal. Ends with a line break. */
export function renderPlanText(plan: Plan, options: { readonly hasColor: boolean }): string {
  const palette = paletteOf(options.hasColor);
  const blocks = [
    header(plan, palette),
    changes(plan, palette),
    steps(plan.steps, palette),
    ...plan.refusals.map((refusal) => refused(refusal, palette)),
    ...plan.waits.map((wait) => notice('Waiting', wait, palette.yellow)),
    ...plan.warnings.map((warning) => notice('Warning', warning, palette.yellow)),
    summary(plan, palette),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function header(plan: Plan, { bold, dim }: Palette): string {
  return [
    bold(`Plan for ${shownInline(plan.cluster)}`),
    dim(`  commit ${shortCommit(plan.commit)}`),
    dim(`  digest ${shownInline(plan.digest)}`),
  ].join('\n');
}

function changes(plan: Plan, { bold, red, green }: Palette): string {
  if (plan.changes.length === 0) return '';
  const lines = plan.changes.flatMap(({ path, live, desired }) => {
    const [before, after] = [asList(live), asList(desired)];
    const pairs = Array.from({ length: Math.max(before.length, after.length) }, (_, index) => {
      const [from, to] = [valueText(before[index]), valueText(after[index])];
      return `${red(from)} → ${green(to)}`;
    });
    const [only, another] = pairs;
    if (only !== undefined && another === undefined) return [`  ${shownInline(path)}: ${only}`];
    return [`  ${shownInline(path)}:`, ...pairs.map((pair) => `    ${pair}`)];
  });
  return [bold('Changes (live → desired)'), ...lines].join('\n');
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) && value.length > 0 ? value : [value];
}

function paintOf(symbol: Symbol, palette: Palette): Paint {
  return { '+': palette.green, '-': palette.red, '~': palette.yellow, '!': palette.red }[symbol];
}

function steps(all: readonly Step[], palette: Palette): string {
  if (all.length === 0) return '';
  const used = new Set(all.flatMap(symbolsOf));
  const order: readonly Symbol[] = ['+', '-', '~', '!'];
  const legend = order
    .filter((symbol) => used.has(symbol))
    .map((symbol) => `${paintOf(symbol, palette)(symbol)} ${symbolMeanings[symbol]}`);
  const idWidth = Math.max(...all.map((step) => step.id.length));
  const actionWidth = Math.max(...all.map((step) => step.action.length));
  const lines = all.flatMap((step) => {
    const symbols = symbolsOf(step);
    const marks = symbols.map((symbol) => paintOf(symbol, palette)(symbol)).join('');
    const risk = step.risk === 'none' ? '' : `  risk: ${riskTexts[step.risk]}`;
    const paintRisk = symbols.includes('!') ? palette.red : palette.yellow;
    const pad = ' '.repeat(2 - symbols.length);
    const action = palette.bold(step.action.padEnd(actionWidth));
    return [
      `  ${shownInline(step.id).padStart(idWidth)} ${marks}${pad} ${action}  ${shownInline(step.target)}${paintRisk(risk)}`,
      indented(shownInline(reasonSentence(step.reason)), idWidth + 6),
      ...stepFacts(step).map((fact) => palette.dim(indented(fact, idWidth + 6))),
    ];
  });
  const head = `${palette.bold('Steps')}${legend.length === 0 ? '' : `  (${legend.join(', ')})`}`;
  return [head, ...lines].join('\n');
}

function refused({ code, summary: what, detail, remedy }: Refusal, { red, bold }: Palette): string {
  return [
    `${red(bold(`Refused [${shownInline(code)}]:`))} ${shownInline(what)}`,
    indented(shown(detail), 2),
    bold('  What to do:'),
    indented(shown(remedy), 4),
  ].join('\n');
}

function notice(kind: string, { code, summary: what, detail }: Notice, paint: Paint): string {
  return [`${paint(`${kind} [${shownInline(code)}]:`)} ${shownInline(what)}`, indented(shown(detail), 2)].join('\n');
}

function summary(plan: Plan, { bold, green, red, yellow }: Palette): string {
  switch (planState(plan)) {
    case 'refused':
      return red(
        bold(
          `Refused: ${counted(plan.refusals.length, 'reason')}. ${plan.steps.length === 0 ? 'Nothing is changed.' : `Beside it: ${countsText(plan.steps)}.`}`,
        ),
      );
    case 'waiting':
      return yellow(bold('Waiting: nothing is changed before more is known.'));
    case 'converged':
      return green(bold('No changes. The cluster is as declared.'));
    case 'changes': {
      const backups = plan.steps.filter((step) => step.action === 'backup').length;
      const counts = [...(backups === 0 ? [] : [counted(backups, 'backup')]), countsText(plan.steps)];
      const quorum = quorumText(plan);
      const text = `Plan: ${counts.filter((part) => part !== '').join(', ')}.${quorum === undefined ? '' : ` ${quorum}`}`;
      return bold(text);
    }
  }
}
