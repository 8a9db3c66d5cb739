import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/plan/plan.ts';
import { mdBlock, mdCode, mdText } from '../../../src/report/markdown.ts';
import { renderPlanMarkdown } from '../../../src/report/plan-markdown.ts';
import { anyPlan, busyPlan, commit, hostileText, lostRefusal, planWith, stepsOf } from './plans.ts';

/** Text outside of fenced blocks, a line each. A fence ends where its own length of back-ticks stands alone. */
function outsideFences(markdown: string): readonly string[] {
  let fence: string | undefined;
  return markdown.split('\n').filter((line) => {
    if (fence !== undefined) {
      if (line === fence) fence = undefined;
      return false;
    }
    fence = /^(`{3,})(?:text|diff)$/.exec(line)?.[1];
    return fence === undefined;
  });
}

describe('a plan in a pull request', () => {
  it('reads like this', () => {
    expect(renderPlanMarkdown([busyPlan], commit)).toBe(`<!-- quorate-plan -->
### quorate plan · orders · ⚠ 1 destructive, 1 restart, 1 leader move · sha256:9f3c0000000… @ a1b2c3d

1 to restart, 1 to remove, 1 leader move. Quorum never below 2 of 3. Backup first.

| # | Step | Target | Why | Risk |
| ---: | --- | --- | --- | --- |
| 1 | \`backup\` | \`b\` | Nothing is changed before a verified backup is in the store. | none |
| 2 | \`~ restart-member\` | \`a\` | The member runs with other flags than the spec gives. | member restarts |
| 3 | \`~ move-leader\` | \`c\` | The leader hands over before it leaves. | leader moves |
| 4 | \`-! remove-member\` | \`c\` | The spec declares fewer members than there are. | ⚠ **destructive** |
| 5 | \`- archive-data\` | \`c\` | The host holds data of a member that is none any more; it is kept under another name. | none |

<details><summary>Details: what differs, and the flags of each step</summary>

Digest \`sha256:9f3c${'0'.repeat(60)}\`, commit \`${commit}\`.

\`\`\`diff
  /spec/members
- 3
+ 1
  /spec/etcd (a)
- --heartbeat-interval=100
+ --heartbeat-interval=200
\`\`\`

**2** \`restart-member\` \`a\`

\`\`\`text
etcd 3.5.33
member 8e9e05c52164694d
\`\`\`

\`\`\`diff
- --heartbeat-interval=100
+ --heartbeat-interval=200
\`\`\`

Flags:

\`\`\`text
--heartbeat-interval=200
--client-cert-auth=true
\`\`\`

**3** \`move-leader\` \`c\`

\`\`\`text
leadership goes to a
\`\`\`

**4** \`remove-member\` \`c\`

\`\`\`text
member 91bc3c398fb3c146
\`\`\`

</details>

`);
  });

  it('says that no clusters are affected', () => {
    for (const plans of [[], [planWith({})], [planWith({}), planWith({ cluster: 'carts' })]]) {
      expect(renderPlanMarkdown(plans, commit)).toContain('No clusters are affected.');
    }
    const wait = { code: 'store-unknown', summary: 'Not read.', detail: 'x' };
    expect(renderPlanMarkdown([planWith({ waits: [wait] })], commit)).not.toContain('No clusters are affected.');
  });

  it('puts the worst first and names those without changes', () => {
    const text = renderPlanMarkdown(
      [
        planWith({ cluster: 'idle' }),
        planWith({ cluster: 'mild', steps: stepsOf({ action: 'start-member', target: 'a', reason: 'not-running' }) }),
        { ...busyPlan, cluster: 'harsh' },
        planWith({ cluster: 'gone', refusals: [lostRefusal] }),
      ],
      commit,
    );
    expect(text).toContain('3 of 4 clusters affected, commit a1b2c3d.');
    expect([...text.matchAll(/^### quorate plan · (\w+) · (\S+ \S+)/gm)].map((match) => match.slice(1, 3))).toEqual([
      ['gone', '⛔ refused:'],
      ['harsh', '⚠ 1'],
      ['mild', 'no risk'],
    ]);
    expect(text).toContain('No changes: idle');
  });

  it('gives the remedy as a block to copy', () => {
    expect(renderPlanMarkdown([planWith({ refusals: [lostRefusal] })], commit)).toContain(
      `\n\`\`\`text\n${lostRefusal.remedy}\n\`\`\`\n`,
    );
  });

  it('cuts details before anything that matters, and says so', () => {
    const flags = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`flag-${index}`, 'x'.repeat(30)]));
    const plans = Array.from({ length: 20 }, (_, index) => ({
      ...busyPlan,
      cluster: `c${index}`,
      steps: busyPlan.steps.map((step) => ({ ...step, detail: { ...step.detail, flags } })),
    }));
    const text = renderPlanMarkdown([...plans, planWith({ cluster: 'lost', refusals: [lostRefusal] })], commit, {
      artifactUrl: 'https://forge.example/run/1',
    });
    expect(text.length).toBeLessThanOrEqual(60_000);
    expect(text.length).toBeGreaterThan(50_000);
    expect(text.match(/^### quorate plan/gm)).toHaveLength(21);
    expect(text.match(/⚠ \*\*destructive\*\*/g)).toHaveLength(20);
    expect(text).toContain(lostRefusal.remedy);
    expect(text).toMatch(/_Left out for length: \d+ details\._/);
    expect(text).toContain(
      'This comment was cut to fit. [The whole plan](https://forge.example/run/1) has everything.',
    );
    const whole = renderPlanMarkdown([busyPlan], commit, { artifactUrl: 'https://forge.example/run/1' });
    expect(whole).toContain('[The whole plan](https://forge.example/run/1) as JSON.');
    expect(whole).not.toContain('cut to fit');
  });

  it('keeps severe steps when harmless ones have to go', () => {
    const many = stepsOf(
      ...Array.from({ length: 100 }, (_, index) => ({
        action: 'start-member' as const,
        target: `h${index}`,
        reason: 'not-running',
      })),
      { action: 'remove-member', target: 'z', reason: 'scale-down', risk: 'destructive' },
    );
    const text = renderPlanMarkdown([planWith({ steps: many })], commit, { limit: 2500 });
    expect(text.length).toBeLessThanOrEqual(2500);
    expect(text).toContain('`-! remove-member` | `z`');
    expect(text).toMatch(/Left out for length: \d+ steps/);
    expect(text).toContain('`quorate plan --format json` shows everything.');
  });

  it('never goes over the limit', () => {
    const size = fc.integer({ min: 1, max: 150 });
    const huge = fc.tuple(anyPlan, size).map(
      ([plan, times]): Plan => ({
        ...plan,
        cluster: plan.cluster.repeat(times),
        steps: Array.from({ length: Math.ceil(times / 20) }, () => plan.steps).flat(),
        refusals: plan.refusals.map((refusal) => ({ ...refusal, remedy: refusal.remedy.repeat(times) })),
        warnings: Array.from({ length: times }, () => plan.warnings).flat(),
      }),
    );
    fc.assert(
      fc.property(fc.array(huge, { maxLength: 6 }), fc.integer({ min: 0, max: 70_000 }), (plans, limit) => {
        expect(renderPlanMarkdown(plans, commit, { limit }).length).toBeLessThanOrEqual(limit);
        expect(renderPlanMarkdown(plans, commit).length).toBeLessThanOrEqual(60_000);
      }),
      { numRuns: 30 },
    );
  });

  it('holds the code and the remedy of every refusal, whatever else is cut', () => {
    fc.assert(
      fc.property(fc.array(anyPlan, { minLength: 1, maxLength: 5 }), (plans) => {
        const text = renderPlanMarkdown(plans, commit, { limit: 20_000 });
        for (const { code, remedy } of plans.flatMap((plan) => plan.refusals)) {
          expect(text).toContain(`**Refused** ${mdCode(code)}`);
          expect(text).toContain(mdBlock(remedy));
        }
      }),
    );
  });

  it('lets nothing out of its place', () => {
    fc.assert(
      fc.property(fc.array(anyPlan, { maxLength: 3 }), (plans) => {
        const text = renderPlanMarkdown(plans, commit);
        const lines = outsideFences(text);
        const outside = lines.join('\n');
        // The only HTML is ours, and is closed.
        expect(text.indexOf('<!--')).toBe(0);
        expect(outside.replaceAll(/<\/?(?:details|summary|code)>|^<!-- quorate-plan -->$/gm, '')).not.toContain('<');
        expect(outside.match(/<details>/g)?.length).toBe(outside.match(/<\/details>/g)?.length);
        // No heading, command of the forge or quote but ours begins a line.
        for (const line of lines)
          expect(line).toMatch(/^(?:$|[|*_[]|- \*\*|<!-- |<\/?details>|### quorate plan|\p{L}|\d+ )/u);
        // Every row of a table has the five cells, with back-ticks in pairs.
        for (const row of lines.filter((line) => line.startsWith('|'))) {
          expect(row.match(/\|/g)).toHaveLength(6);
          expect((row.match(/`/g) ?? []).length % 2).toBe(0);
        }
        // Nobody is mentioned and nothing linked: such signs stand in code, or apart from what follows.
        expect(outside.replaceAll(/`[^`\n]*`/g, '').replaceAll(/&#\d+;/g, '\u200b')).not.toMatch(
          /[@!$#][\p{L}\p{N}]|https?:|www\./u,
        );
      }),
      { numRuns: 150 },
    );
  });
});

describe('foreign text in Markdown', () => {
  it('is left as it is when it is harmless', () => {
    expect(mdText('Host b: no answer (timed out).')).toBe('Host b: no answer (timed out).');
    expect(mdCode('~ restart-member')).toBe('`~ restart-member`');
  });

  it('starts nothing', () => {
    expect(mdText('a|b `c` <img> @ann #1')).toBe('a&#124;b &#96;c&#96; &lt;img&gt; @&#8203;ann #&#8203;1');
    expect(mdText('https://example.org')).toBe('https&#58;//example.org');
    expect(mdCode('a`|b')).toBe('<code>a&#96;&#124;b</code>');
    expect(mdText('- x')).toBe('&#8203;- x');
  });

  it('stays on one line, or inside of its fence', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        expect(mdText(text)).not.toMatch(/[\n|`<>]/);
        expect(mdCode(text)).not.toMatch(/[\n|]/);
        const [open, ...rest] = mdBlock(text).split('\n');
        const fence = open?.replace('text', '') ?? '';
        expect(rest.indexOf(fence)).toBe(rest.length - 3);
      }),
    );
  });
});
