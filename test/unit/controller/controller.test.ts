import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import type { PassResult } from '../../../src/controller/cluster-loop.ts';
import { runController, runOnce } from '../../../src/controller/controller.ts';
import { readStatusFile } from '../../../src/controller/status-file.ts';
import { type ControllerWorld, openControllerWorld } from '../../support/controller-world.ts';
import { commit, newCheckout, open } from '../source/git-fixture.ts';
import { changed, goodSpec } from '../spec/good-spec.ts';

const path = 'clusters/orders.yaml';
const faster = changed('heartbeat-interval: 100', 'heartbeat-interval: 150');

/** A checkout with the good spec, and a controller's world around it. */
async function openWithGit(
  onMessage: (message: string) => void = () => undefined,
): Promise<ControllerWorld & { readonly folder: string }> {
  const folder = await newCheckout();
  await rm(join(folder, 'clusters/a.yaml'));
  await commit(folder, { [path]: goodSpec });
  const made = await openControllerWorld({
    repository: await open(folder),
    onMessage,
    clock: systemClock,
    intervalMs: 3_600_000,
  });
  return { ...made, folder };
}

function heartbeats({ model }: ControllerWorld): readonly (string | undefined)[] {
  return ['a', 'b', 'c'].map((name) => model.host(name).member.process?.flags['heartbeat-interval']);
}

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const seen = await waitUntil(systemClock, { timeoutMs: 20_000, intervalMs: 10 }, async () => isTrue() || undefined);
  if (!seen.seen) throw new Error(`was not seen: ${what}`);
}

describe('once', () => {
  test('brings about what the newest commit says, and does nothing the next time', async () => {
    const made = await openWithGit();
    const { world, model, folder, coordination } = made;
    const first = await runOnce(world, new AbortController().signal);
    expect(first.get('orders')).toMatchObject({ type: 'pass', pass: { plan: { steps: [] } } });
    expect(heartbeats(made)).toEqual(['100', '100', '100']);
    expect(coordination.isHeld).toBe(false);
    const before = structuredClone(model.state.hosts);
    await runOnce(world, new AbortController().signal);
    expect(model.state.hosts).toEqual(before);
    await commit(folder, { [path]: faster });
    await runOnce(world, new AbortController().signal);
    expect(heartbeats(made)).toEqual(['150', '150', '150']);
    expect(model.state.violations).toEqual([]);
  });

  test('leaves a cluster alone whose file is gone', async () => {
    const made = await openWithGit();
    await runOnce(made.world, new AbortController().signal);
    await rm(join(made.folder, path));
    await commit(made.folder, {});
    made.model.stop('b');
    expect(await runOnce(made.world, new AbortController().signal)).toEqual(
      new Map([['orders', { type: 'orphaned' }]]),
    );
    expect(made.model.host('b').member.process).toBeNull();
  });

  test('tells who holds the lease', async () => {
    const { world, coordination } = await openWithGit();
    coordination.otherHolder = 'process 7 on host x';
    expect(await runOnce(world, new AbortController().signal)).toEqual(
      new Map([['orders', { type: 'held', holder: 'process 7 on host x' }]]),
    );
  });
});

describe('all the time', () => {
  test('follows the commits, keeps the last good spec over a broken one, and ends when it is told to', async () => {
    const messages: string[] = [];
    const made = await openWithGit((message) => messages.push(message));
    const { world, model, folder, stateDir, coordination } = made;
    const results: PassResult[] = [];
    const stop = new AbortController();
    const running = runController(world, stop.signal, { onResult: (_cluster, result) => results.push(result) });
    const isAtRest = (): boolean => {
      const last = results.at(-1);
      return last?.type === 'pass' && last.pass.outcome === undefined && last.pass.plan.steps.length === 0;
    };
    try {
      await until('the first cluster', () => isAtRest() && heartbeats(made).every((beat) => beat === '100'));
      await commit(folder, { [path]: 'kind: [' });
      await until('the finding', () => messages.some((message) => message.startsWith(`${path}:`)));
      expect(heartbeats(made)).toEqual(['100', '100', '100']);
      await commit(folder, { [path]: faster });
      await until('the change', () => isAtRest() && heartbeats(made).every((beat) => beat === '150'));
      expect(coordination.isHeld).toBe(true);
    } finally {
      stop.abort();
      await running;
    }
    expect(coordination.isHeld).toBe(false);
    expect(await readStatusFile(stateDir, 'orders')).toMatchObject({ result: 'pass', error: null });
    expect(model.state.violations).toEqual([]);
  });
});
