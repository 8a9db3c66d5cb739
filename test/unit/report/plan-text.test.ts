import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderPlanText } from '../../../src/report/plan-text.ts';
import { anyPlan, busyPlan, lostRefusal, planWith, stepsOf } from './plans.ts';

const plain = { hasColor: false };
const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1);

describe('a plan on a terminal', () => {
  it('reads like this', () => {
    expect(renderPlanText(busyPlan, plain)).toBe(`Plan for orders
  commit a1b2c3d4e5f6
  digest sha256:9f3c${'0'.repeat(60)}

Changes (live → desired)
  /spec/members: 3 → 1
  /spec/etcd (a): --heartbeat-interval=100 → --heartbeat-interval=200

Steps  (- remove, ~ change, ! outage or destructive)
  1    backup          b
       Nothing is changed before a verified backup is in the store.
  2 ~  restart-member  a  risk: member restarts
       The member runs with other flags than the spec gives.
       etcd 3.5.33
       member 8e9e05c52164694d
       --heartbeat-interval=100 → --heartbeat-interval=200
  3 ~  move-leader     c  risk: leader moves
       The leader hands over before it leaves.
       leadership goes to a
  4 -! remove-member   c  risk: destructive
       The spec declares fewer members than there are.
       member 91bc3c398fb3c146
  5 -  archive-data    c
       The host holds data of a member that is none any more; it is kept under another name.

Plan: 1 backup, 1 to restart, 1 to remove, 1 leader move. Quorum never below 2 of 3.
`);
  });

  it('gives a refusal in full, with a remedy that can be copied', () => {
    expect(renderPlanText(planWith({ refusals: [lostRefusal] }), plain)).toContain(`
Refused [cluster-lost]: The cluster is lost; nothing brings it back by itself.
  Cluster cdf8 is known to the record in the backup store. No host holds any data of it.
  What to do:
    To start empty:
      bootstrap: { id: again-2, from: empty, discardData: "cdf8" }

Refused: 1 reason. Nothing is changed.
`);
  });

  it('says in its last line what the plan comes to', () => {
    const wait = { code: 'agent-unreachable', summary: 'An agent does not answer.', detail: 'Host b: refused.' };
    const summary = (fields: Parameters<typeof planWith>[0]): string | undefined =>
      lastLine(renderPlanText(planWith(fields), plain));
    expect(summary({})).toBe('No changes. The cluster is as declared.');
    expect(summary({ warnings: [wait] })).toBe('No changes. The cluster is as declared.');
    // Something unseen is never "no changes".
    expect(summary({ waits: [wait] })).toBe('Waiting: nothing is changed before more is known.');
    expect(summary({ changes: [{ path: '/spec/members', live: 1, desired: 3 }] })).toMatch(/^Waiting/);
    expect(summary({ waits: [wait], refusals: [lostRefusal] })).toMatch(/^Refused/);
  });

  it('claims no quorum that the plan does not show', () => {
    const add = ['d', 'e'].flatMap((target) => [
      { action: 'add-learner' as const, target, reason: 'scale-up' },
      { action: 'promote-member' as const, target, reason: 'scale-up' },
    ]);
    const members = (live: number, desired: number): Parameters<typeof planWith>[0] => ({
      changes: [{ path: '/spec/members', live, desired }],
    });
    const restart = (target: string) => ({ action: 'restart-member' as const, target, reason: 'flags-changed' });
    const summary = (fields: Parameters<typeof planWith>[0]): string | undefined =>
      lastLine(renderPlanText(planWith(fields), plain));
    expect(summary({ ...members(3, 5), steps: stepsOf(...add) })).toBe('Plan: 2 to add. Quorum never below 3 of 3.');
    expect(summary({ ...members(3, 5), steps: stepsOf(restart('a'), ...add) })).toBe(
      'Plan: 2 to add, 1 to restart. Quorum never below 2 of 3.',
    );
    expect(summary({ steps: stepsOf(restart('a'), restart('b')) })).toBe('Plan: 2 to restart. One member at a time.');
    expect(summary({ steps: stepsOf(restart('a')) })).toBe('Plan: 1 to restart.');
    expect(summary({ steps: stepsOf({ ...restart('a'), risk: 'outage' }) })).toBe(
      'Plan: 1 to restart. There is an outage.',
    );
    expect(summary({ ...members(2, 1), steps: stepsOf(restart('a')) })).toBe(
      'Plan: 1 to restart. Quorum is lost with 1 of 2.',
    );
    const restore = { action: 'restore-cluster' as const, target: 'orders', reason: 'declared-restore' };
    const release = { action: 'release' as const, target: 'orders', reason: 'restored' };
    for (const risk of ['outage', 'destructive'] as const)
      expect(summary({ steps: stepsOf({ ...restore, risk }, release) })).toBe(
        'Plan: 1 to restore. There is an outage.',
      );
    expect(summary({ steps: stepsOf(release) })).toBe('Plan: 1 to release.');
    // A member that nobody sees may be down already.
    const blind = { code: 'agent-unreachable', summary: 'x', detail: 'y' };
    expect(summary({ ...members(3, 5), steps: stepsOf(...add), waits: [blind] })).toBe('Plan: 2 to add.');
  });

  it('uses colours only when asked to', () => {
    expect(renderPlanText(busyPlan, { hasColor: true })).toContain('\u001b[');
    fc.assert(
      fc.property(anyPlan, (plan) => {
        // oxlint-disable-next-line no-control-regex
        expect(renderPlanText(plan, plain)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
      }),
    );
  });

  it('shows the same with and without colours', () => {
    fc.assert(
      fc.property(anyPlan, (plan) => {
        const colored = renderPlanText(plan, { hasColor: true });
        // oxlint-disable-next-line no-control-regex
        expect(colored.replaceAll(/\u001b\[\d+m/g, '')).toBe(renderPlanText(plan, plain));
      }),
    );
  });
});
