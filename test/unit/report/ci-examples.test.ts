import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { planMarker } from '../../../src/report/plan-markdown.ts';

const read = (name: string): string => readFileSync(new URL(`../../../examples/ci/${name}`, import.meta.url), 'utf8');
const github = read('github-actions.yaml');
const gitlab = read('gitlab-ci.yaml');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: { readonly plan: { readonly steps: readonly Step[] } };
}
interface Pipeline {
  readonly 'quorate-plan': { readonly script: readonly string[]; readonly rules: readonly { readonly if: string }[] };
}

const workflow = parse(github) as Workflow;
const pipeline = parse(gitlab) as Pipeline;
const { steps } = workflow.jobs.plan;
const scripts = [...steps.flatMap((step) => step.run ?? []), ...pipeline['quorate-plan'].script];

describe('the examples for continuous integration', () => {
  it.each(scripts)('hold scripts that bash can read: %#', (script) => {
    // Throws with what bash complains about.
    execFileSync('bash', ['-n'], { input: script, stdio: ['pipe', 'ignore', 'pipe'] });
    // Values of a request come by the environment, never pasted into the text of a script.
    expect(script).not.toContain('${{');
  });

  it('plan as a command that exists, and find their comment by the marker', () => {
    const main = readFileSync(new URL('../../../src/cli/main.ts', import.meta.url), 'utf8');
    for (const text of [github, gitlab]) {
      const line = text.split('\n').find((candidate) => candidate.includes('quorate plan --ref')) ?? '';
      const flags = [...line.matchAll(/ (--[a-z-]+)/g)].map((match) => match[1] ?? '');
      expect(flags).toEqual(['--ref', '--format', '--detailed-exitcode', '--out']);
      for (const flag of flags.filter((name) => name !== '--format')) expect(main).toContain(`'${flag}`);
      expect(text.split(planMarker).length).toBe(3);
    }
  });

  it('take their rules from the default branch', () => {
    expect(Object.keys(workflow.on)).toEqual(['pull_request_target']);
    const checkout = steps.find((step) => step.uses?.startsWith('actions/checkout@') === true);
    expect(checkout?.with).toMatchObject({
      ref: expect.stringContaining('github.event.repository.default_branch') as string,
      'persist-credentials': false,
    });
    expect(workflow.permissions).toEqual({ contents: 'read', 'pull-requests': 'write', statuses: 'write' });
    expect(pipeline['quorate-plan'].rules.map((rule) => rule.if)).toEqual([
      expect.stringContaining('$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH'),
    ]);
  });

  it('look at all pages of comments', () => {
    expect(github).toContain('gh api --paginate');
    expect(gitlab).toContain('x-next-page');
  });
});
