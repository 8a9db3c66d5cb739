import { describe, expect, test } from 'vitest';
import { listRuns } from '../../../src/backup/runs.ts';
import { ClusterLoop, type PassResult } from '../../../src/controller/cluster-loop.ts';
import type { Pass } from '../../../src/controller/reconcile.ts';
import type { DesiredCluster } from '../../../src/controller/specs.ts';
import { type ControllerWorld, desire, form, openControllerWorld, threeHosts } from '../../support/controller-world.ts';

const changed = { ...threeHosts, etcd: { 'heartbeat-interval': 150 } };

function passOf(result: PassResult): Pass {
  if (result.type !== 'pass') throw new Error(`not a pass: ${JSON.stringify(result)}`);
  return result.pass;
}

function actionsOf({ outcome }: Pass): readonly string[] {
  return (outcome?.steps ?? []).map(({ action, target }) => `${action} ${target}`);
}

/** Passes until one leaves nothing to do; gives that one. */
async function settle(loop: ClusterLoop): Promise<Pass> {
  for (let count = 0; count < 8; count++) {
    const pass = passOf(await loop.pass());
    if (pass.outcome?.outcome !== 'done') return pass;
  }
  throw new Error('the loop does not come to rest');
}

/** A cluster that stands, and the loop that looks after it. */
async function standing(
  short = threeHosts,
  onMessage: (message: string) => void = () => undefined,
): Promise<ControllerWorld & { readonly loop: ClusterLoop }> {
  const made = await openControllerWorld({ onMessage });
  await form(made.model, threeHosts, made.stateDir);
  return { ...made, loop: new ClusterLoop(made.world, desire(short), {}) };
}

/** Runs a loop until it has told of this many passes; gives their results. */
async function runFor(made: ControllerWorld, desired: DesiredCluster, count: number): Promise<readonly PassResult[]> {
  const results: PassResult[] = [];
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const loop = new ClusterLoop(made.world, desired, {
    onResult: (_cluster, result) => {
      results.push(result);
      if (results.length < count) return;
      loop.requestStop();
      finish();
    },
  });
  loop.start();
  await finished;
  await loop.stop();
  return results;
}

describe('a pass', () => {
  test('applies what the spec says, and the next ones find nothing more to do', async () => {
    const { model, world } = await openControllerWorld();
    const loop = new ClusterLoop(world, desire(threeHosts), {});
    expect(passOf(await loop.pass()).outcome?.outcome).toBe('done');
    const last = await settle(loop);
    expect({ steps: last.plan.steps, waits: last.plan.waits, refusals: last.plan.refusals }).toEqual({
      steps: [],
      waits: [],
      refusals: [],
    });
    expect(model.serving()).toBeDefined();
    expect(model.state.violations).toEqual([]);
    const { runs } = await listRuns(model.store, 10);
    expect(new Set(runs.map(({ outcome }) => outcome))).toEqual(new Set(['done']));
  });

  test('of a suspended cluster changes nothing', async () => {
    const { loop, model } = await standing({ ...changed, suspend: true });
    model.stop('b');
    const before = { hosts: structuredClone(model.state.hosts), store: new Map(model.store.objects) };
    const pass = passOf(await loop.pass());
    expect(pass.outcome).toBeUndefined();
    expect(model.state.hosts).toEqual(before.hosts);
    expect(model.store.objects).toEqual(before.store);
  });

  test('of an orphaned cluster, or one that never had a spec, takes no lease', async () => {
    const { world, coordination } = await openControllerWorld();
    const orphaned = new ClusterLoop(world, desire(threeHosts, { isOrphaned: true }), {});
    expect(await orphaned.pass()).toEqual({ type: 'orphaned' });
    const without = new ClusterLoop(world, desire(threeHosts, { spec: undefined }), {});
    expect(await without.pass()).toEqual({ type: 'no-spec' });
    expect(coordination.epochs).toEqual([]);
  });
});

describe('between two steps', () => {
  test('a newer spec takes over, and the next passes finish it', async () => {
    let ended = 0;
    const newer = { ...threeHosts, etcd: { 'heartbeat-interval': 175 } };
    const { loop, model } = await standing(changed, (message) => {
      if (message === 'step is done' && ++ended === 2) loop.update(desire(newer));
    });
    const first = passOf(await loop.pass());
    expect(first.outcome).toMatchObject({ outcome: 'superseded', error: { code: 'run-superseded' } });
    expect(first.outcome?.steps).toHaveLength(2);
    expect(first.plan.steps.length).toBeGreaterThan(2);
    expect((await settle(loop)).plan.steps).toEqual([]);
    const beats = ['a', 'b', 'c'].map((name) => model.host(name).member.process?.flags['heartbeat-interval']);
    expect(beats).toEqual(['175', '175', '175']);
    expect(model.state.violations).toEqual([]);
  });

  test('a commit that leaves the spec as it is interrupts nothing', async () => {
    let updates = 0;
    const { loop } = await standing(changed, (message) => {
      if (message === 'step is done') loop.update(desire(changed, { commit: String(++updates).repeat(40) }));
    });
    const pass = passOf(await loop.pass());
    expect(pass.outcome?.outcome).toBe('done');
    expect(pass.outcome?.steps).toHaveLength(pass.plan.steps.length);
    expect(updates).toBe(pass.plan.steps.length);
  });

  test('a stop ends the run, after the step that is under way', async () => {
    let ended = 0;
    const { loop, coordination } = await standing(changed, (message) => {
      if (message === 'step begins' && ended === 0) loop.requestStop();
      if (message === 'step is done') ended += 1;
    });
    const { outcome } = passOf(await loop.pass());
    expect(outcome).toMatchObject({ outcome: 'superseded', steps: [{ outcome: 'done' }] });
    expect(outcome?.error?.message).toContain('the controller is stopping');
    expect(coordination.isHeld).toBe(true);
    await loop.stop();
    expect(coordination.isHeld).toBe(false);
  });
});

describe('the lease', () => {
  test('held by another: nothing is done, and it is asked for soon again', async () => {
    const made = await openControllerWorld();
    made.coordination.otherHolder = 'process 7 on host x';
    const results = await runFor(made, desire(threeHosts), 3);
    expect(results).toEqual(Array.from({ length: 3 }, () => ({ type: 'held', holder: 'process 7 on host x' })));
    expect(made.pausesMs.slice(0, 2)).toEqual([2000, 2000]);
    expect(made.model.serving()).toBeUndefined();
  });

  test('is kept from pass to pass', async () => {
    const { loop, coordination } = await standing(changed);
    await settle(loop);
    expect(coordination.epochs).toHaveLength(1);
  });

  test('lost: the run ends at once, and the next pass takes a higher epoch', async () => {
    let ended = 0;
    const { loop, coordination, model } = await standing(changed, (message) => {
      if (message === 'step is done' && ++ended === 1) coordination.lose();
    });
    const first = passOf(await loop.pass());
    expect(first.outcome).toMatchObject({ outcome: 'superseded', steps: [{ outcome: 'done' }] });
    expect(first.outcome?.error?.message).toContain('the lease was lost');
    expect((await settle(loop)).plan.steps).toEqual([]);
    const [former = 0, latter = 0] = coordination.epochs;
    expect(coordination.epochs).toHaveLength(2);
    expect(latter).toBeGreaterThan(former);
    expect(model.host('a').member.epoch).toBe(latter);
  });
});

describe('the same correction', () => {
  test('three times within an hour is a fight, until the spec is another', async () => {
    const { loop, model } = await standing();
    for (let count = 0; count < 3; count++) {
      expect((await settle(loop)).plan.steps).toEqual([]);
      model.advanceTo(model.nowMs + 60_000);
      model.stop('b');
      expect(actionsOf(passOf(await loop.pass()))).toEqual(['start-member b']);
    }
    model.stop('b');
    expect(await loop.pass()).toEqual({ type: 'fighting' });
    loop.update(desire(threeHosts, { commit: 'b'.repeat(40) }));
    expect(await loop.pass()).toEqual({ type: 'fighting' });
    expect(model.host('b').member.process).toBeNull();
    loop.update(desire(changed));
    await settle(loop);
    expect(model.host('b').member.process).not.toBeNull();
  });

  test('now and then, more than an hour apart, is none', async () => {
    const { loop, model } = await standing();
    for (let count = 0; count < 5; count++) {
      model.advanceTo(model.nowMs + 61 * 60_000);
      model.stop('b');
      expect(actionsOf(passOf(await loop.pass()))).toEqual(['start-member b']);
    }
  });
});

describe('the pause', () => {
  test('is the interval while all is well', async () => {
    const made = await openControllerWorld({ intervalMs: 45_000 });
    await form(made.model, threeHosts, made.stateDir);
    await runFor(made, desire(threeHosts), 3);
    expect(made.pausesMs.slice(0, 2)).toEqual([45_000, 45_000]);
  });

  test('grows while a run fails, up to ten minutes, and beyond the interval', async () => {
    const made = await openControllerWorld();
    await form(made.model, threeHosts, made.stateDir);
    made.model.wipe('b');
    // The new learner never catches up.
    made.model.host('b').catchUpMs = 1e12;
    const results = await runFor(made, desire(threeHosts), 13);
    expect(new Set(results.map((result) => passOf(result).outcome?.outcome))).toEqual(new Set(['failed']));
    const doubled = Array.from({ length: 10 }, (_, count) => 1000 * 2 ** count);
    expect(made.pausesMs.slice(0, 12)).toEqual([...doubled, 600_000, 600_000]);
  });

  test('grows while something is waited for, up to the interval', async () => {
    const made = await openControllerWorld({ intervalMs: 10_000 });
    await form(made.model, threeHosts, made.stateDir);
    made.model.crashLoop('b', true);
    const results = await runFor(made, desire(threeHosts), 7);
    expect(results.map((result) => passOf(result).plan.waits.length > 0)).toEqual(results.map(() => true));
    expect(made.pausesMs.slice(0, 6)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test('grows while passes fail, up to the interval', async () => {
    const made = await openControllerWorld({ intervalMs: 10_000 });
    made.coordination.fault = new Error('EIO');
    const results = await runFor(made, desire(threeHosts), 7);
    expect(new Set(results.map(({ type }) => type))).toEqual(new Set(['error']));
    expect(made.pausesMs.slice(0, 6)).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000]);
  });
});
