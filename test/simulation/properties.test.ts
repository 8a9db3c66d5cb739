import fc from 'fast-check';
import { expect, it } from 'vitest';
import { observe } from '../../src/observe/observe.ts';
import { plan } from '../../src/plan/planner.ts';
import { commitOf, ModelController, nextLease } from '../support/model/controller.ts';
import { converge } from '../support/model/converge.ts';
import { endStateOf } from '../support/model/end-state.ts';
import { modelSpec } from '../support/model/model-spec.ts';
import { prefixFaults } from '../support/model/prefix-faults.ts';
import {
  bounded,
  clusterOf,
  event,
  happen,
  members,
  mend,
  specOf,
  timeoutMs,
  useStateDirs,
  type Wish,
  wish,
  withStateDir,
} from './random-worlds.ts';

useStateDirs();

it(
  'plans the same bytes for the same input, and never below quorum at any step',
  async () => {
    const property = fc.asyncProperty(
      members,
      wish,
      fc.array(event, { maxLength: 4 }),
      async (count, target, happened) => {
        const world = await clusterOf(count);
        for (const each of happened) happen(world, each);
        const spec = modelSpec(specOf(target));
        await withStateDir(async (stateDir) => {
          const { sight } = new ModelController(world, nextLease(world), { stateDir });
          const live = await observe(spec, sight);
          const made = plan(spec, live, commitOf(spec));
          const again = plan(structuredClone(spec), structuredClone(live), commitOf(spec));
          expect(JSON.stringify(again)).toBe(JSON.stringify(made));
          expect(prefixFaults(live, made)).toEqual([]);
        });
      },
    );
    await fc.assert(property, bounded(150));
  },
  timeoutMs,
);

it(
  'reaches what the commit says from any state, and then has nothing left to do',
  async () => {
    const property = fc.asyncProperty(
      members,
      wish,
      fc.array(event, { maxLength: 3 }),
      async (count, target, happened) => {
        const world = await clusterOf(count);
        for (const each of happened) happen(world, each);
        mend(world);
        await withStateDir(async (stateDir) => {
          const end = await converge(world, modelSpec(specOf(target)), { stateDir });
          const { members: reached, violations, running } = endStateOf(world);
          expect({
            violations,
            waits: end.last?.plan.waits,
            refusals: end.last?.plan.refusals,
            error: end.error?.code,
          }).toEqual({ violations: [], waits: [], refusals: [], error: undefined });
          expect(end.isConverged).toBe(true);
          expect(reached).toHaveLength(target.members);
          expect(running).toEqual(reached);
          expect(reached.filter((name) => target.cordoned.includes(name))).toEqual([]);
        });
      },
    );
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);

it(
  'reaches the same end when the controller is struck at a random call',
  async () => {
    const fault = fc.record({
      at: fc.nat(400),
      type: fc.constantFrom('crash' as const, 'fail' as const, 'lost-answer' as const),
    });
    const property = fc.asyncProperty(members, wish, fault, async (count, target, struck) => {
      const world = await clusterOf(count);
      const undisturbed = world.fork();
      const spec = modelSpec(specOf(target));
      await withStateDir((stateDir) => converge(undisturbed, spec, { stateDir }));
      const end = await withStateDir((stateDir) => converge(world, spec, { stateDir, fault: struck }));
      expect(end.isConverged).toBe(true);
      // A leader that a fault has made another may decide which of two equal members stays.
      const { members: reached, violations, keys } = endStateOf(world);
      expect({ violations, keys, count: reached.length }).toEqual({
        violations: [],
        keys: 5,
        count: endStateOf(undisturbed).members.length,
      });
    });
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);

it(
  'keeps every acknowledged key through commits, faults and dying controllers',
  async () => {
    const act = fc.oneof(
      { weight: 2, arbitrary: event.map((each) => ({ type: 'event' as const, event: each })) },
      { weight: 1, arbitrary: wish.map((each) => ({ type: 'commit' as const, wish: each })) },
      { weight: 2, arbitrary: fc.nat(300).map((at) => ({ type: 'pass' as const, at })) },
    );
    const property = fc.asyncProperty(members, fc.array(act, { minLength: 3, maxLength: 12 }), async (count, acts) => {
      const world = await clusterOf(count);
      let current: Wish = { members: count, cordoned: [], heartbeatMs: 100, zones: 0 };
      await withStateDir(async (stateDir) => {
        for (const each of acts) {
          if (each.type === 'event') happen(world, each.event);
          else if (each.type === 'commit') current = each.wish;
          else
            await converge(world, modelSpec(specOf(current)), {
              stateDir,
              fault: { at: each.at, type: 'crash' },
              maxPasses: 2,
            });
        }
        mend(world);
        const end = await converge(world, modelSpec(specOf(current)), { stateDir, maxPasses: 24 });
        expect(world.state.violations).toEqual([]);
        expect({ waits: end.last?.plan.waits, refusals: end.last?.plan.refusals, error: end.error?.code }).toEqual({
          waits: [],
          refusals: [],
          error: undefined,
        });
        expect(end.isConverged).toBe(true);
        expect(endStateOf(world).members).toHaveLength(current.members);
      });
    });
    await fc.assert(property, bounded(60));
  },
  timeoutMs,
);
