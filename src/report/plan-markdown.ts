import type { Plan } from '../plan/plan.ts';
import { mdText } from './markdown.ts';
import { noticeItem, type Section, sectionOf, tableHead } from './plan-section.ts';
import { planState, severityOf } from './plan-summary.ts';
import { clip, counted } from './shown.ts';

/** First in the comment: by it the comment is found again and edited in place. */
export const planMarker = '<!-- quorate-plan -->';

/** Characters; the forges stop at 65,536, and a workflow may want to add a line of its own. */
const defaultLimit = 60_000;
/** With less room than this no detail is tried any more. */
const smallestDetail = 100;
/** Room in each section for the sentence about what was left out of it. */
const sectionReserve = 160;

export interface PlanMarkdownOptions {
  /** Most characters of the result (UTF-16 units); default 60,000. */
  readonly limit?: number;
  /** Where the whole plan can be had, `https://…`. */
  readonly artifactUrl?: string;
}

/**
 * Plans as one comment on a pull request, the worst first. What does not fit is left out in an order
 * in which a reader misses it least: details, notices, harmless steps. Headings, refusals with their
 * remedies and every step with an outage or a loss go before all of it.
 */
export function renderPlanMarkdown(plans: readonly Plan[], commit: string, options: PlanMarkdownOptions = {}): string {
  const limit = options.limit ?? defaultLimit;
  const affected = plans
    .filter((plan) => planState(plan) !== 'converged')
    .toSorted((a, b) => severityOf(b) - severityOf(a) || (a.cluster < b.cluster ? -1 : 1));
  const idle = plans.filter((plan) => planState(plan) === 'converged');
  const intro = `${planMarker}\n${overview(plans.length, affected.length, commit)}`;
  const quiet = affected.length === 0 ? '' : quietOf(idle);
  const sections = affected.map(sectionOf);
  // What is said at the end is said for certain, so its room is set apart first.
  const reserve = closingOf(sections.length, true, options.artifactUrl).length + quiet.length;
  const kept = fit(sections, limit - intro.length - reserve);
  const body = sections.map((section, index) => assemble(section, kept[index])).join('');
  const isCut = kept.some((keep, index) => isIncomplete(sections[index], keep));
  const hidden = kept.filter((keep) => !keep.hasHead).length;
  const text = `${intro}${body}${quiet}${closingOf(hidden, isCut, options.artifactUrl)}`;
  const warnings = idle.flatMap((plan) =>
    plan.warnings.map((warning) => noticeItem(`${mdText(clip(plan.cluster, 120))}: warning`, warning)),
  );
  const whole = warnings.reduce((sum, item) => (sum.length + item.length <= limit ? sum + item : sum), text);
  // Only a limit too small for the frame itself gets here.
  return whole.length <= limit ? whole : whole.slice(0, Math.max(0, limit));
}

function overview(all: number, affected: number, commit: string): string {
  const at = `commit ${mdText(commit.slice(0, 7))}`;
  if (affected === 0)
    return `### quorate plan\n\nNo clusters are affected. Looked at ${counted(all, 'cluster')}, ${at}.\n\n`;
  return all === 1 ? '' : `${affected} of ${counted(all, 'cluster')} affected, ${at}. The worst risk comes first.\n\n`;
}

function quietOf(idle: readonly Plan[]): string {
  if (idle.length === 0) return '';
  return `No changes: ${mdText(clip(idle.map((plan) => plan.cluster).join(', '), 300))}\n\n`;
}

interface Kept {
  hasHead: boolean;
  readonly refusals: ('full' | 'short' | undefined)[];
  readonly rows: boolean[];
  readonly notices: boolean[];
  readonly details: (string | undefined)[];
}

/** What fits into `room` characters, taken in the order of what matters. One pass for each kind of piece. */
function fit(sections: readonly Section[], room: number): readonly Kept[] {
  let left = room;
  const take = (cost: number): boolean => {
    if (cost > left) return false;
    left -= cost;
    return true;
  };
  const pairs = sections.map((section) => ({ section, keep: nothingOf(section) }));
  for (const { section, keep } of pairs)
    keep.hasHead = take(section.head.length + sectionReserve + tableHead.length + 1);
  const visible = pairs.filter(({ keep }) => keep.hasHead);
  for (const { section, keep } of visible) {
    for (const [index, row] of section.rows.entries()) keep.rows[index] = row.isSevere && take(row.text.length);
    for (const [index, { short }] of section.refusals.entries())
      keep.refusals[index] = take(short.length) ? 'short' : undefined;
  }
  for (const { section, keep } of visible) {
    for (const [index, { full, short }] of section.refusals.entries())
      if (keep.refusals[index] === 'short' && take(full.length - short.length)) keep.refusals[index] = 'full';
  }
  for (const { section, keep } of visible)
    for (const [index, row] of section.rows.entries()) keep.rows[index] ||= take(row.text.length);
  for (const { section, keep } of visible)
    for (const [index, notice] of section.notices.entries()) keep.notices[index] = take(notice.length + 1);
  for (const { section, keep } of visible) {
    for (const [index, make] of section.details.entries()) {
      if (left < smallestDetail) break;
      const detail = make();
      const frame = keep.details.every((kept) => kept === undefined) ? detailsFrame.length : 0;
      if (take(detail.length + frame)) keep.details[index] = detail;
    }
  }
  return pairs.map(({ keep }) => keep);
}

function nothingOf(section: Section): Kept {
  return {
    hasHead: false,
    refusals: section.refusals.map(() => undefined),
    rows: section.rows.map(() => false),
    notices: section.notices.map(() => false),
    details: section.details.map(() => undefined),
  };
}

const detailsOpen = '<details><summary>Details: what differs, and the flags of each step</summary>\n\n';
const detailsClose = '</details>\n\n';
const detailsFrame = detailsOpen + detailsClose;

function assemble(section: Section, keep: Kept | undefined): string {
  if (keep?.hasHead !== true) return '';
  const refusals = section.refusals.map((refusal, index) => {
    const form = keep.refusals[index];
    return form === undefined ? '' : refusal[form];
  });
  const rows = section.rows.filter((_, index) => keep.rows[index] === true);
  const notices = section.notices.filter((_, index) => keep.notices[index] === true);
  const details = keep.details.filter((detail) => detail !== undefined);
  return [
    section.head,
    ...refusals,
    rows.length === 0 ? '' : `${tableHead}${rows.map((row) => row.text).join('')}\n`,
    notices.length === 0 ? '' : `${notices.join('')}\n`,
    leftOut(section, keep),
    details.length === 0 ? '' : `${detailsOpen}${details.join('')}${detailsClose}`,
  ].join('');
}

/** At most `sectionReserve` characters. */
function leftOut(section: Section, keep: Kept): string {
  const rows = keep.rows.filter((isKept) => !isKept).length;
  const refusals = keep.refusals.filter((form) => form === undefined).length;
  const shortened = keep.refusals.filter((form) => form === 'short').length;
  const notices = keep.notices.filter((isKept) => !isKept).length;
  const details = keep.details.filter((detail) => detail === undefined).length;
  const parts = [
    ...(refusals === 0 ? [] : [counted(refusals, 'refusal')]),
    ...(shortened === 0 ? [] : [`what was seen for ${counted(shortened, 'refusal')}`]),
    ...(rows === 0 ? [] : [counted(rows, 'step')]),
    ...(notices === 0 ? [] : [counted(notices, 'notice')]),
    ...(details === 0 ? [] : [counted(details, 'detail')]),
  ];
  return isIncomplete(section, keep) && parts.length > 0 ? `_Left out for length: ${parts.join(', ')}._\n\n` : '';
}

function isIncomplete(section: Section | undefined, keep: Kept): boolean {
  return (
    !keep.hasHead ||
    [...keep.rows, ...keep.notices].includes(false) ||
    keep.details.includes(undefined) ||
    keep.refusals.some(
      (form, index) => form !== 'full' && section?.refusals[index]?.short !== section?.refusals[index]?.full,
    )
  );
}

function closingOf(hiddenSections: number, isCut: boolean, artifactUrl: string | undefined): string {
  const isUsable = artifactUrl !== undefined && /^https:\/\/[^\s()<>\\`|"']{1,600}$/.test(artifactUrl);
  const link = isUsable ? `[The whole plan](${artifactUrl})` : undefined;
  if (!isCut) return link === undefined ? '' : `${link} as JSON.\n\n`;
  const missing = hiddenSections === 0 ? '' : ` ${counted(hiddenSections, 'more cluster')} did not fit at all.`;
  const rest = link === undefined ? '`quorate plan --format json` shows everything.' : `${link} has everything.`;
  return `This comment was cut to fit.${missing} ${rest}\n\n`;
}
