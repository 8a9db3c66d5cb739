import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallFault } from '../support/model/calls.ts';
import { type Converged, converge, makeStateDir } from '../support/model/converge.ts';
import { endStateOf, isLook } from '../support/model/end-state.ts';
import { takeModelBackup } from '../support/model/model-backup.ts';
import { modelSpec, type ShortSpec } from '../support/model/model-spec.ts';
import { ModelWorld } from '../support/model/world.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeStateDir();
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));

async function run(world: ModelWorld, short: ShortSpec, fault?: CallFault): Promise<Converged> {
  const stateDir = await mkdtemp(join(folder, 'run-'));
  try {
    return await converge(world, modelSpec(short), { stateDir, fault });
  } finally {
    await rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

/** A cluster at rest with keys in it; without a leader there is none yet. */
async function worldOf(from: ShortSpec, leader: string | undefined): Promise<ModelWorld> {
  const world = ModelWorld.create(from.hosts.split(' '));
  if (leader === undefined) return world;
  const formed = await run(world, { ...from, bootstrap: 'first' });
  expect(formed.isConverged).toBe(true);
  world.put(5);
  world.lead(leader);
  return world;
}

async function backUp(world: ModelWorld): Promise<string> {
  const stateDir = await mkdtemp(join(folder, 'run-'));
  return takeModelBackup(world, modelSpec({ members: 3, hosts: 'a b c' }), stateDir);
}

interface Case {
  readonly what: string;
  readonly from: ShortSpec;
  readonly to: ShortSpec;
  readonly leader?: string;
  /** Gives words that depend on what it did. */
  readonly before?: (world: ModelWorld) => Promise<Partial<ShortSpec> | undefined>;
}

const cases: readonly Case[] = [
  {
    what: 'three to five',
    from: { members: 3, hosts: 'a b c d e' },
    to: { members: 5, hosts: 'a b c d e' },
    leader: 'a',
  },
  {
    what: 'five to three with the leader among the leaving',
    from: { members: 5, hosts: 'a b c d e' },
    to: { members: 3, hosts: 'a b c d! e!' },
    leader: 'e',
  },
  {
    what: 'new flags',
    from: { members: 3, hosts: 'a b c' },
    to: { members: 3, hosts: 'a b c', etcd: { 'heartbeat-interval': 200 } },
    leader: 'b',
  },
  {
    what: 'relieving the leader',
    from: { members: 3, hosts: 'a b c d' },
    to: { members: 3, hosts: 'a! b c d' },
    leader: 'a',
  },
  {
    what: 'filling a wiped disk',
    from: { members: 3, hosts: 'a b c' },
    to: { members: 3, hosts: 'a b c' },
    leader: 'a',
    before: async (world) => {
      world.wipe('a');
      world.advanceTo(world.nowMs + 5_000);
      return undefined;
    },
  },
  {
    what: 'a restore after total loss',
    from: { members: 3, hosts: 'a b c' },
    to: { members: 3, hosts: 'a b c', bootstrap: { id: 'again', backup: 'latest' } },
    leader: 'a',
    before: async (world) => {
      await backUp(world);
      for (const name of ['a', 'b', 'c']) world.replaceHost(name);
      return undefined;
    },
  },
  {
    what: 'a restore of what quorum has lost',
    from: { members: 3, hosts: 'a b c' },
    to: { members: 3, hosts: 'a b c', bootstrap: { id: 'again', backup: 'latest' } },
    leader: 'a',
    before: async (world) => {
      await backUp(world);
      world.put(3);
      for (const name of ['a', 'b']) world.wipe(name);
      return undefined;
    },
  },
  {
    what: 'a restore over a live cluster',
    from: { members: 3, hosts: 'a b c' },
    to: { members: 3, hosts: 'a b c' },
    leader: 'a',
    before: async (world) => {
      const backup = await backUp(world);
      world.put(3);
      return { bootstrap: { id: 'again', backup, discardData: world.serving()?.clusterId } };
    },
  },
  { what: 'a bootstrap', from: { members: 3, hosts: 'a b c' }, to: { members: 3, hosts: 'a b c', bootstrap: 'first' } },
];

/** `1`: die before each call without exception. By default those that cannot make a difference are left out. */
const isExhaustive = process.env['QUORATE_EXHAUSTIVE'] === '1';

describe.each(cases)('$what', ({ from, to: declared, leader, before }) => {
  async function expectSameEnd(
    type: CallFault['type'],
    matters: (calls: readonly string[], at: number) => boolean,
  ): Promise<number> {
    const start = await worldOf(from, leader);
    const to = { ...declared, ...(await before?.(start)) };
    const whole = start.fork();
    const undisturbed = await run(whole, to);
    const expected = endStateOf(whole);
    expect(undisturbed.isConverged).toBe(true);
    expect(expected.violations).toEqual([]);
    let tried = 0;
    for (let at = 1; at <= undisturbed.calls.length; at++) {
      if (!isExhaustive && !matters(undisturbed.calls, at)) continue;
      tried += 1;
      const world = start.fork();
      const end = await run(world, to, { at, type });
      const result = {
        call: `${at}: ${undisturbed.calls[at - 1]}`,
        isConverged: end.isConverged,
        ...endStateOf(world),
      };
      expect(result).toEqual({ call: result.call, isConverged: true, ...expected });
    }
    return tried;
  }

  it('ends the same when the controller dies at any call', async () => {
    const tried = await expectSameEnd('crash', (calls, at) => at === 1 || !isLook(calls[at - 2] ?? ''));
    expect(tried).toBeGreaterThan(10);
  }, 120_000);

  it('ends the same when the answer to any change is lost', async () => {
    const tried = await expectSameEnd('lost-answer', (calls, at) => !isLook(calls[at - 1] ?? ''));
    expect(tried).toBeGreaterThan(10);
  }, 120_000);
});
