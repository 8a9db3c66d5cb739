import { expect, it } from 'vitest';
import { renderRunEvent, renderRuns } from '../../../src/report/run-text.ts';
import { nowMs, runRecord } from './clusters.ts';
import { commit, stepsOf } from './plans.ts';

const [, step] = stepsOf(
  { action: 'backup', target: 'b', reason: 'before-change' },
  { action: 'add-learner', target: 'd', reason: 'scale-up' },
);
if (step === undefined) throw new Error('there are two steps');
const result = {
  id: step.id,
  action: step.action,
  target: step.target,
  startedAtMs: 1000,
  endedAtMs: 1800,
  outcome: 'done' as const,
};
const error = { code: 'step-not-seen', summary: 'was done, but\nnothing \u001b[31mis seen' };

it.each<readonly [event: Parameters<typeof renderRunEvent>[0], line: string]>([
  [{ type: 'step-started', step, of: 5 }, '[2/5] add-learner d …\n'],
  [{ type: 'step-progress', step, of: 5, text: '10 of 20 MiB' }, '[2/5] add-learner d … 10 of 20 MiB\n'],
  [{ type: 'step-ended', step, of: 5, result }, '[2/5] add-learner d … done in 0.8 s\n'],
  [
    { type: 'step-ended', step, of: 5, result: { ...result, endedAtMs: 126_000 } },
    '[2/5] add-learner d … done in 2m 5s\n',
  ],
  [{ type: 'step-ended', step, of: 5, result: { ...result, endedAtMs: 0 } }, '[2/5] add-learner d … done in 0.0 s\n'],
  [
    { type: 'step-ended', step, of: 5, result: { ...result, outcome: 'failed', error } },
    '[2/5] add-learner d … failed after 0.8 s: was done, but nothing \ufffd[31mis seen [step-not-seen]\n',
  ],
])('tells an event in one line: %j', (event, line) => {
  expect(renderRunEvent(event)).toBe(line);
});

it('lists runs newest first', () => {
  const older = runRecord({
    startedAtMs: nowMs - 3_600_000,
    endedAtMs: nowMs - 3_500_000,
    outcome: 'failed',
    error,
    actor: 'ann',
  });
  expect(renderRuns([older, runRecord()])).toBe(
    `TIME                  OUTCOME  COMMIT        ACTOR       DURATION  STEPS     ERROR
2026-11-20T15:50:00Z  done     a1b2c3d4e5f6  controller  4.2 s     1/1 done
2026-11-20T15:00:00Z  failed   a1b2c3d4e5f6  ann         1m 40s    1/1 done  was done, but nothing \ufffd[31mis seen [step-not-seen]
`,
  );
  expect(commit.startsWith('a1b2c3d4e5f6')).toBe(true);
  expect(renderRuns([])).toBe('No runs are on record.\n');
});
