import { readFile } from 'node:fs/promises';
import { describeError, QuorateError } from '../base/errors.ts';
import { replaceFile } from '../base/files.ts';
import { observe } from '../observe/observe.ts';
import type { Plan } from '../plan/plan.ts';
import { plan } from '../plan/planner.ts';
import { renderPlanMarkdown } from '../report/plan-markdown.ts';
import { renderPlanText } from '../report/plan-text.ts';
import { desiredAt, select, withWorld } from './context.ts';
import { exitCodes, worst } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export interface PlanOptions {
  readonly config?: string;
  readonly ref?: string;
  readonly cluster?: string;
  readonly format: 'text' | 'json' | 'markdown';
  readonly out?: string;
  readonly detailedExitcode?: boolean;
}

/** `quorate plan`: what would be done, and why. Looks only; takes no lease. */
export async function planCommand(options: PlanOptions, terminal: Terminal): Promise<number> {
  const { plans, commit } = await withWorld(options.config, async (world) => {
    const desired = await desiredAt(world, options.ref);
    const clusters = select(desired, options.cluster).filter((cluster) => !cluster.isOrphaned);
    const made = clusters.map(async ({ spec, commit: at }) =>
      plan(spec, await observe(spec, await world.sight(spec)), at),
    );
    return { plans: await Promise.all(made), commit: desired.commit };
  });
  terminal.out(render(plans, commit, options, terminal));
  if (options.out !== undefined) await replaceFile(options.out, `${JSON.stringify(plans, undefined, 2)}\n`, 0o644);
  return options.detailedExitcode === true ? worst(plans.map(detailedCode)) : worst(plans.map(plainCode));
}

function render(plans: readonly Plan[], commit: string, options: PlanOptions, terminal: Terminal): string {
  if (options.format === 'json') return `${JSON.stringify(plans, undefined, 2)}\n`;
  if (options.format === 'markdown') return renderPlanMarkdown(plans, commit);
  return plans.map((made) => renderPlanText(made, { hasColor: terminal.hasColor })).join('\n');
}

function plainCode(made: Plan): number {
  return made.refusals.length > 0 ? exitCodes.refused : exitCodes.done;
}

function detailedCode(made: Plan): number {
  if (made.refusals.length > 0) return exitCodes.refused;
  if (made.steps.length > 0) return exitCodes.changesPending;
  // "Could not see" must not read as "nothing to do" in a check of a pull request.
  return made.waits.length > 0 ? exitCodes.error : exitCodes.done;
}

/** Reads what `plan --out` wrote. */
export async function readPlans(path: string): Promise<readonly Plan[]> {
  const operation = `read the plan ${path}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new QuorateError({
      code: 'plan-unreadable',
      kind: 'invalid',
      operation,
      summary: describeError(error),
      remedy: 'Write it with `quorate plan --out FILE`.',
    });
  }
  if (Array.isArray(parsed) && parsed.every(isPlan)) return parsed;
  throw new QuorateError({
    code: 'plan-unreadable',
    kind: 'invalid',
    operation,
    summary: 'this is not a plan of format 1.0',
    remedy: 'Write it with `quorate plan --out FILE`.',
  });
}

/** Only identity and digest are taken from a saved plan; the steps are planned anew and must give the same digest. */
function isPlan(value: unknown): value is Plan {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as Record<string, unknown>;
  return (
    fields['formatVersion'] === '1.0' && typeof fields['cluster'] === 'string' && typeof fields['digest'] === 'string'
  );
}
