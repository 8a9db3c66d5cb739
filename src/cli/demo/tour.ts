import { QuorateError } from '../../base/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { planCommand } from '../plan.ts';
import type { ControllerLog } from './controller-log.ts';
import type { KeyWriter } from './key-writer.ts';
import type { Lookout } from './lookout.ts';
import type { LoopbackFleet } from './loopback-fleet.ts';
import { RunProgress } from './run-progress.ts';
import type { Proposal } from './spec-repository.ts';
import { gapText, type Stage, secondsText } from './stage.ts';

/** What every chapter works with. */
export interface Tour {
  readonly fleet: LoopbackFleet;
  readonly lookout: Lookout;
  readonly log: ControllerLog;
  readonly stage: Stage;
  readonly hasColor: boolean;
  readonly signal: AbortSignal;
  /** From the first chapter's end on. */
  writer?: KeyWriter;
}

/** One line of the summary. */
export interface ChapterResult {
  readonly tookMs: number;
  /** Absent: nobody was writing yet. */
  readonly gapMs?: number;
}

/** Bound of everything that is waited for in one chapter; on two cores the longest takes ten seconds. */
export const chapterTimeoutMs = 120_000;

/** Shows a commit and its plan, merges it, follows the run, and waits until the cluster is as declared. */
export async function change(tour: Tour, proposal: Proposal): Promise<ChapterResult> {
  showCommit(tour, proposal);
  await showPlan(tour, proposal, exitCodes.done);
  const mergedAtMs = await merge(tour, proposal);
  const doneAtMs = await followRun(tour, proposal.commit);
  await tour.lookout.waitUntilConverged(chapterTimeoutMs, tour.signal);
  return report(tour, 'Done', doneAtMs - mergedAtMs);
}

export function showCommit({ stage }: Tour, { command, diff }: Proposal): void {
  const { green, red } = stage.palette;
  stage.command(command);
  // A whole file says less than what it is about.
  const lines = diff.length <= 8 ? diff : [`+ (${diff.length} lines: the whole spec)`];
  for (const line of lines) stage.say(line.startsWith('+') ? green(line) : red(line), 4);
}

/** Runs the real command, as a check of a pull request would. */
export async function showPlan(
  { fleet, stage, hasColor }: Tour,
  { branch }: Proposal,
  expectedCode: number,
): Promise<void> {
  stage.command(`quorate plan --ref ${branch}`);
  let text = '';
  const out = (part: string): void => {
    text += part;
  };
  const code = await planCommand({ config: fleet.config, ref: branch, format: 'text' }, { out, err: out, hasColor });
  stage.say(text.trimEnd(), 4);
  if (code !== expectedCode)
    throw unexpected(`plan ${branch}`, `it ended with exit code ${code} instead of ${expectedCode}`);
}

/** Gives the time at which main began to say something else. */
export async function merge({ fleet, lookout, stage, writer }: Tour, proposal: Proposal): Promise<number> {
  stage.command(`git switch main && git merge ${proposal.branch}`);
  writer?.takeLongestGapMs();
  const atMs = lookout.world.clock.now();
  await fleet.repository.merge(proposal);
  return atMs;
}

/** Shows the steps of a commit's run while they happen. Gives the time at which the run was over. */
async function followRun(tour: Tour, commit: string): Promise<number> {
  const progress = new RunProgress(tour.stage, commit);
  tour.stage.doing('the controller sees the commit');
  const doneAtMs = await tour.lookout.until(
    `the run of ${commit.slice(0, 12)}`,
    chapterTimeoutMs,
    tour.signal,
    async () => {
      for (const entry of await tour.log.next()) progress.take(entry);
      return progress.doneAtMs;
    },
  );
  tour.stage.doing('everything is looked at once more');
  return doneAtMs;
}

export function report({ stage, writer }: Tour, what: string, tookMs: number): ChapterResult {
  stage.rest();
  const gapMs = writer?.takeLongestGapMs();
  const gap = gapMs === undefined ? '' : ` Longest gap between two acknowledged writes: ${gapText(gapMs)}.`;
  stage.say(`\n${stage.palette.green('✓')} ${what} after ${secondsText(tookMs)}.${gap}`, 2);
  return { tookMs, ...(gapMs === undefined ? {} : { gapMs }) };
}

export function unexpected(operation: string, summary: string): QuorateError {
  return new QuorateError({ code: 'demo-failed', kind: 'stalled', operation, summary });
}
