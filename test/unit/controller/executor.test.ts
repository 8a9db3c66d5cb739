import { describe, expect, test } from 'vitest';
import { type ApplyInput, applyPlan, type RunEvent } from '../../../src/apply/executor.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { observe } from '../../../src/observe/observe.ts';
import { plan } from '../../../src/plan/planner.ts';
import { form, temporaryStateDir, threeHosts } from '../../support/controller-world.ts';
import { commitOf, ModelController, nextLease } from '../../support/model/controller.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';

const fiveHosts: ShortSpec = { members: 5, hosts: 'a b c d e', bootstrap: 'first' };

interface Case {
  readonly model: ModelWorld;
  readonly input: ApplyInput;
  readonly events: readonly RunEvent[];
  readonly leaseLost: AbortController;
}

/** A cluster that stands, what happened to it, and the plan for `commit` made then. */
async function prepare(
  formed: ShortSpec,
  commit: ShortSpec,
  happen: (model: ModelWorld) => void = () => undefined,
): Promise<Case> {
  const model = ModelWorld.create(['a', 'b', 'c', 'd', 'e']);
  const stateDir = await temporaryStateDir();
  await form(model, formed, stateDir);
  happen(model);
  const spec = modelSpec(commit);
  model.declare(spec);
  const leaseLost = new AbortController();
  const lease = { ...nextLease(model), lost: leaseLost.signal };
  const { sight } = new ModelController(model, lease, { stateDir });
  const events: RunEvent[] = [];
  const made = plan(spec, await observe(spec, sight), commitOf(spec));
  const input: ApplyInput = {
    plan: made,
    spec,
    sight,
    lease,
    runId: 'run',
    log: silentLogger,
    shouldStop: () => undefined,
    onEvent: (event) => events.push(event),
    onStepEnded: async () => undefined,
  };
  return { model, input, events, leaseLost };
}

const changed = { ...threeHosts, etcd: { 'heartbeat-interval': 150 } };

describe('a run', () => {
  test('does every step of its plan and tells of each', async () => {
    const { input, events } = await prepare(threeHosts, changed);
    const outcome = await applyPlan(input);
    const ids = input.plan.steps.map(({ id }) => id);
    expect(outcome).toMatchObject({ outcome: 'done', steps: ids.map((id) => ({ id, outcome: 'done' })) });
    expect(outcome.backup).toBeDefined();
    expect(events.filter(({ type }) => type === 'step-started').map(({ step }) => step.id)).toEqual(ids);
    expect(events.filter(({ type }) => type === 'step-ended').map(({ step }) => step.id)).toEqual(ids);
  });

  test('is stale when the cluster has moved since its plan was made', async () => {
    const { input, model, events } = await prepare(threeHosts, changed);
    model.wipe('c');
    const before = structuredClone(model.state.hosts);
    expect(await applyPlan(input)).toMatchObject({ outcome: 'stale', steps: [], error: { code: 'plan-stale' } });
    expect(model.state.hosts).toEqual(before);
    expect(events).toEqual([]);
  });

  test('ends between two steps for a reason that is given', async () => {
    const { input, events } = await prepare(threeHosts, changed);
    const outcome = await applyPlan({
      ...input,
      shouldStop: () => (events.some(({ type }) => type === 'step-ended') ? 'there is a reason' : undefined),
    });
    expect(outcome).toMatchObject({ outcome: 'superseded', steps: [{ outcome: 'done' }] });
    expect(outcome.error?.message).toContain('there is a reason');
  });

  test('takes no step without its lease', async () => {
    const { input, leaseLost } = await prepare(threeHosts, changed);
    leaseLost.abort(new Error('taken away'));
    expect(await applyPlan(input)).toMatchObject({ outcome: 'superseded', steps: [] });
  });

  test('fails at the step in which its lease is lost, and goes no further', async () => {
    const { input, leaseLost, events } = await prepare(threeHosts, changed);
    const outcome = await applyPlan({
      ...input,
      onEvent: (event) => {
        input.onEvent(event);
        if (event.type === 'step-started') leaseLost.abort(new Error('taken away'));
      },
    });
    expect(outcome).toMatchObject({ outcome: 'failed', steps: [{ outcome: 'failed' }] });
    expect(events.filter(({ type }) => type === 'step-started')).toHaveLength(1);
  });

  test('of an older controller is found out before its first step', async () => {
    const { input, model } = await prepare(threeHosts, changed);
    model.host('b').member.epoch = input.lease.epoch + 1;
    expect(await applyPlan(input)).toMatchObject({ outcome: 'failed', steps: [], error: { code: 'stale-epoch' } });
  });

  test('waits after each step until what it writes is durable', async () => {
    const { input, events } = await prepare(threeHosts, changed);
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    await expect(applyPlan({ ...input, onStepEnded: () => Promise.reject(full) })).rejects.toThrow('no space left');
    expect(events.filter(({ type }) => type === 'step-started')).toHaveLength(1);
  });
});

describe('a host that cannot be started', () => {
  test('does not keep the others from it, and fails the run', async () => {
    const { input, model } = await prepare(fiveHosts, fiveHosts, (world) => {
      world.stop('a');
      world.stop('b');
    });
    expect(input.plan.steps.map(({ action, target }) => `${action} ${target}`)).toEqual([
      'start-member a',
      'start-member b',
    ]);
    model.crashLoop('a', true);
    const outcome = await applyPlan(input);
    expect(outcome).toMatchObject({
      outcome: 'failed',
      steps: [
        { target: 'a', outcome: 'failed' },
        { target: 'b', outcome: 'done' },
      ],
    });
    expect(outcome.error?.code).toBe(outcome.steps[0]?.error?.code);
    expect(model.host('b').member.process).not.toBeNull();
  });

  test('keeps a change of all hosts from beginning', async () => {
    const { input, model } = await prepare(threeHosts, changed);
    model.crashLoop('a', true);
    const outcome = await applyPlan(input);
    expect(outcome.outcome).not.toBe('done');
    expect(outcome.steps.filter(({ outcome: ended }) => ended === 'failed').length).toBeLessThanOrEqual(1);
    expect(outcome.steps.length).toBeLessThan(input.plan.steps.length);
  });
});
