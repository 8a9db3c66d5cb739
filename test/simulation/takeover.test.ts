import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/log.ts';
import { type Pass, reconcile } from '../../src/controller/reconcile.ts';
import type { Sight } from '../../src/observe/sight.ts';
import { commitOf, ModelController, nextLease } from '../support/model/controller.ts';
import { converge, makeStateDir } from '../support/model/converge.ts';
import { endStateOf, isLook } from '../support/model/end-state.ts';
import { modelSpec } from '../support/model/model-spec.ts';
import { keysOf } from '../support/model/state.ts';
import { ModelWorld } from '../support/model/world.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeStateDir();
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));

async function withStateDir<T>(work: (stateDir: string) => Promise<T>): Promise<T> {
  const stateDir = await mkdtemp(join(folder, 'run-'));
  try {
    return await work(stateDir);
  } finally {
    await rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  }
}

describe('a bootstrap whose controller died before it was on record', () => {
  const names = ['a', 'b', 'c'];
  const spec = modelSpec({ members: 3, hosts: 'a b c', bootstrap: 'first' });
  const recordWrite = 'store: write control/quorate.json';

  /** The controller dies at a call, clients write, and ten minutes later all hosts but one are empty ones. */
  async function takeOver(at: number, survivor: string): Promise<{ world: ModelWorld; codes: readonly string[] }> {
    return withStateDir(async (stateDir) => {
      const world = ModelWorld.create(names);
      const first = new ModelController(world, nextLease(world), { stateDir, fault: { at, type: 'crash' } });
      let passes = 0;
      while ((await first.pass(spec)) !== 'died') if (++passes === 5) throw new Error(`nothing was called ${at} times`);
      world.advanceTo(world.nowMs + 5_000);
      // Where its member has not run yet, the disks that go take every copy with them.
      if (world.host(survivor).member.data !== null) world.put(5);
      for (const name of names) if (name !== survivor) world.replaceHost(name);
      world.advanceTo(world.nowMs + 11 * 60_000);
      const { last } = await converge(world, spec, { stateDir });
      return { world, codes: (last?.plan.refusals ?? []).map(({ code }) => code) };
    });
  }

  it.each(names)(
    'never loses what was written when only %s still has its data',
    async (survivor) => {
      const { calls } = await withStateDir((stateDir) => converge(ModelWorld.create(names), spec, { stateDir }));
      const firstStart = calls.findIndex((call) => call.endsWith(': start'));
      const settled = calls.indexOf(recordWrite, calls.indexOf(recordWrite) + 1);
      expect(firstStart).toBeGreaterThan(0);
      expect(settled).toBeGreaterThan(firstStart);
      const seen = new Set<string>();
      for (let index = firstStart + 1; index < calls.length; index++) {
        // Dying after a mere look leaves the same world; right before the record is settled is what this is about.
        if (index !== settled && isLook(calls[index - 1] ?? '')) continue;
        const { world, codes } = await takeOver(index + 1, survivor);
        const call = `${index + 1}: ${calls[index]}`;
        expect({ call, violations: world.state.violations }).toEqual({ call, violations: [] });
        if (world.state.acknowledged.length === 0) continue;
        const { data } = world.host(survivor).member;
        expect({ call, ...endStateOf(world) }).toMatchObject({ call, withData: [survivor], keys: 5 });
        expect(names.filter((name) => world.host(name).member.process !== null)).toEqual([survivor]);
        expect(data === null ? [] : keysOf(data)).toEqual(world.state.acknowledged);
        expect(codes).toEqual([index <= settled ? 'bootstrap-interrupted' : 'cluster-lost']);
        for (const code of codes) seen.add(code);
      }
      expect([...seen].toSorted()).toEqual(['bootstrap-interrupted', 'cluster-lost']);
    },
    60_000,
  );
});

describe('a run that was superseded in the middle of five to three', () => {
  const spec = modelSpec({ members: 3, hosts: 'a b c d! e!' });

  /** Another controller begins a run: it claims the agents, and dies before it does anything else. */
  async function claimAgents(world: ModelWorld, stateDir: string): Promise<void> {
    const rehearsed = world.fork();
    const rehearsal = new ModelController(rehearsed, nextLease(rehearsed), { stateDir });
    await rehearsal.pass(spec);
    const at = rehearsal.calls.names.findLastIndex((name) => name.endsWith(': claim')) + 2;
    expect(at).toBeGreaterThan(1);
    const newer = new ModelController(world, nextLease(world), { stateDir, fault: { at, type: 'crash' } });
    expect(await newer.pass(spec)).toBe('died');
  }

  /** As soon as one member has been removed, the older controller sees nothing until the newer run has begun. */
  function interrupted(older: ModelController, claim: () => Promise<void>): Sight {
    let claiming: Promise<void> | undefined;
    const removals = (): number => older.calls.names.filter((name) => name.startsWith('etcd: member-remove')).length;
    const pause = async (): Promise<void> => {
      if (removals() > 0) await (claiming ??= claim());
    };
    return {
      ...older.sight,
      agent: (host) => {
        const client = older.sight.agent(host);
        const facts: typeof client.facts = async (...args) => {
          await pause();
          return client.facts(...args);
        };
        return { ...client, facts };
      },
      etcd: async (endpoints) => {
        await pause();
        return older.sight.etcd(endpoints);
      },
    };
  }

  it.each([
    { what: 'all hosts up', dead: [] },
    { what: 'the leaving hosts dead, so that no agent has a say in their removal', dead: ['d', 'e'] },
  ])('removes nobody any more: $what', async ({ dead }) => {
    const world = ModelWorld.create(['a', 'b', 'c', 'd', 'e']);
    const five = modelSpec({ members: 5, hosts: 'a b c d e', bootstrap: 'first' });
    await withStateDir((stateDir) => converge(world, five, { stateDir }));
    world.put(5);
    world.lead('a');
    for (const name of dead) world.powerOff(name);
    world.advanceTo(world.nowMs + 10_000);

    const older = new ModelController(world, nextLease(world), { stateDir: folder });
    let callsAtClaim = 0;
    const claim = async (): Promise<void> => {
      callsAtClaim = older.calls.names.length;
      await withStateDir((stateDir) => claimAgents(world, stateDir));
    };
    const sight = interrupted(older, claim);
    const outcomes: (string | undefined)[] = [];
    await withStateDir(async (stateDir) => {
      // With dead hosts each removal is a run of its own; what counts is that the old controller never does the second.
      for (let passes = 0; passes < 4 && outcomes.at(-1) !== 'stale-epoch'; passes++) {
        const pass: Pass = await reconcile({
          spec,
          commit: commitOf(spec),
          sight,
          lease: older.lease,
          stateDir,
          actor: 'controller',
          log: silentLogger,
          shouldStop: () => undefined,
        });
        outcomes.push(pass.outcome?.error?.code ?? pass.outcome?.outcome);
      }
    });
    expect(outcomes.at(-1)).toBe('stale-epoch');
    // Not even an agent is asked to act: the run ends at its own guard, or at its first claim.
    const tried = older.calls.names.slice(callsAtClaim).filter((name) => !isLook(name) && !name.startsWith('store: '));
    expect(tried.filter((name) => !name.endsWith(': claim'))).toEqual([]);
    expect(older.calls.names.filter((name) => name.startsWith('etcd: member-remove'))).toHaveLength(1);
    expect(endStateOf(world)).toMatchObject({ keys: 5, violations: [] });
    expect(endStateOf(world).members).toHaveLength(4);

    await withStateDir((stateDir) => converge(world, spec, { stateDir }));
    expect(endStateOf(world)).toMatchObject({ members: ['a', 'b', 'c'], keys: 5, violations: [] });
  });
});
