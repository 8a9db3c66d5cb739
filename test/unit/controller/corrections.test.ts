import { expect, test } from 'vitest';
import { CorrectionCounter } from '../../../src/controller/corrections.ts';
import { observe } from '../../../src/observe/observe.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { plan } from '../../../src/plan/planner.ts';
import { form, temporaryStateDir, threeHosts } from '../../support/controller-world.ts';
import { commitOf, ModelController, nextLease } from '../../support/model/controller.ts';
import { ModelWorld } from '../../support/model/world.ts';

const minuteMs = 60_000;

/** The plan for a cluster of three in which this host's member was stopped. */
async function correctionOf(host: string): Promise<Plan> {
  const model = ModelWorld.create(['a', 'b', 'c']);
  const stateDir = await temporaryStateDir();
  const spec = await form(model, threeHosts, stateDir);
  model.stop(host);
  const { sight } = new ModelController(model, nextLease(model), { stateDir });
  return plan(spec, await observe(spec, sight), commitOf(spec));
}

function count(additions: readonly (readonly [string, Plan, number])[]): CorrectionCounter {
  const counter = new CorrectionCounter();
  for (const [spec, made, minutes] of additions) counter.add(spec, made, minutes * minuteMs);
  return counter;
}

test('three equal corrections within an hour are a fight; two, or three further apart, are none', async () => {
  const b = await correctionOf('b');
  expect(
    count([
      ['x', b, 0],
      ['x', b, 1],
    ]).isFighting('x'),
  ).toBe(false);
  expect(
    count([
      ['x', b, 0],
      ['x', b, 30],
      ['x', b, 59],
    ]).isFighting('x'),
  ).toBe(true);
  expect(
    count([
      ['x', b, 0],
      ['x', b, 30],
      ['x', b, 60],
    ]).isFighting('x'),
  ).toBe(false);
  expect(
    count([
      ['x', b, 0],
      ['x', b, 30],
      ['x', b, 60],
      ['x', b, 61],
    ]).isFighting('x'),
  ).toBe(true);
});

test('another spec, and another correction, begin the count anew', async () => {
  const b = await correctionOf('b');
  const c = await correctionOf('c');
  const fight = count([
    ['x', b, 0],
    ['x', b, 1],
    ['x', b, 2],
  ]);
  expect(fight.isFighting('y')).toBe(false);
  fight.add('y', b, 3 * minuteMs);
  expect([fight.isFighting('x'), fight.isFighting('y')]).toEqual([false, false]);
  expect(
    count([
      ['x', b, 0],
      ['x', b, 1],
      ['x', c, 2],
      ['x', b, 3],
    ]).isFighting('x'),
  ).toBe(false);
});

test('nothing corrected is no fight', () => {
  expect(new CorrectionCounter().isFighting('x')).toBe(false);
});
