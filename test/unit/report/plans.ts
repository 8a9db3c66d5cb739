import fc from 'fast-check';
import { actions, type Plan, type Refusal, risks, type Step } from '../../../src/plan/plan.ts';
import { reasonSentences } from '../../../src/report/reasons.ts';

export const commit = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334';

export function planWith(fields: Partial<Plan>): Plan {
  return {
    formatVersion: '1.0',
    cluster: 'orders',
    commit,
    digest: `sha256:9f3c${'0'.repeat(60)}`,
    fingerprint: `sha256:${'1'.repeat(64)}`,
    applyable: (fields.steps?.length ?? 0) > 0,
    changes: [],
    steps: [],
    refusals: [],
    waits: [],
    warnings: [],
    ...fields,
  };
}

/** Steps numbered from 1, harmless unless they say otherwise. */
export function stepsOf(
  ...steps: readonly (Pick<Step, 'action' | 'target' | 'reason'> & Partial<Step>)[]
): readonly Step[] {
  return steps.map((fields, index) => ({
    id: String(index + 1),
    risk: 'none',
    requires: [],
    ensures: [],
    detail: {},
    ...fields,
  }));
}

/** Three members become three others with new flags: every symbol but one. */
export const busyPlan = planWith({
  changes: [
    { path: '/spec/members', live: 3, desired: 1 },
    { path: '/spec/etcd (a)', live: ['--heartbeat-interval=100'], desired: ['--heartbeat-interval=200'] },
  ],
  steps: stepsOf(
    { action: 'backup', target: 'b', reason: 'before-change' },
    {
      action: 'restart-member',
      target: 'a',
      reason: 'flags-changed',
      risk: 'member-restarts',
      detail: {
        memberId: '8e9e05c52164694d',
        version: '3.5.33',
        flags: { 'heartbeat-interval': '200', 'client-cert-auth': 'true' },
        differences: ['--heartbeat-interval=100 → --heartbeat-interval=200'],
      },
    },
    { action: 'move-leader', target: 'c', reason: 'leader-leaves', risk: 'leader-moves', detail: { to: 'a' } },
    {
      action: 'remove-member',
      target: 'c',
      reason: 'scale-down',
      risk: 'destructive',
      detail: { memberId: '91bc3c398fb3c146' },
    },
    { action: 'archive-data', target: 'c', reason: 'not-a-member' },
  ),
});

export const lostRefusal: Refusal = {
  code: 'cluster-lost',
  summary: 'The cluster is lost; nothing brings it back by itself.',
  detail: 'Cluster cdf8 is known to the record in the backup store. No host holds any data of it.',
  remedy: 'To start empty:\n  bootstrap: { id: again-2, from: empty, discardData: "cdf8" }',
};

/** What specs and logs of somebody who means no good may hold. */
export const hostileText = fc.oneof(
  fc.string({ maxLength: 60, unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        '|',
        '\\|',
        '\\',
        '`',
        '```',
        '````\n',
        '<script>',
        '</details>',
        '<!-- ',
        '-->',
        '@admin',
        '#12',
        '!7',
        '\n',
        '\r\n\r\n',
        '/merge',
        '# head',
        '[a](https://example.org)',
        'www.example.org',
        '\u001b[31m',
        '\u202e',
        '\u009b',
        '*',
        '_',
        '~~',
        'a',
        ' ',
        '→',
      ),
      { maxLength: 14 },
    )
    .map((parts) => parts.join('')),
);

const notice = fc.record({ code: hostileText, summary: hostileText, detail: hostileText });
const step: fc.Arbitrary<Step> = fc.record({
  id: fc.constantFrom('1', '2', '30'),
  action: fc.constantFrom(...actions),
  target: hostileText,
  reason: fc.oneof(fc.constantFrom(...Object.keys(reasonSentences)), hostileText),
  risk: fc.constantFrom(...risks),
  requires: fc.constant([]),
  ensures: fc.constant([]),
  detail: fc.record({
    flags: fc.dictionary(hostileText, hostileText, { maxKeys: 3 }),
    differences: fc.array(hostileText, { maxLength: 3 }),
    to: hostileText,
    discardData: hostileText,
  }),
});

/** Any plan that has the right shape, sensible or not, hostile throughout. */
export const anyPlan: fc.Arbitrary<Plan> = fc
  .record({
    cluster: hostileText,
    changes: fc.array(
      fc.record({ path: hostileText, live: fc.oneof(hostileText, fc.jsonValue()), desired: fc.jsonValue() }),
      {
        maxLength: 3,
      },
    ),
    steps: fc.array(step, { maxLength: 8 }),
    refusals: fc.array(
      fc.record({ code: hostileText, summary: hostileText, detail: hostileText, remedy: hostileText }),
      {
        maxLength: 3,
      },
    ),
    waits: fc.array(notice, { maxLength: 2 }),
    warnings: fc.array(notice, { maxLength: 2 }),
  })
  .map(planWith);
