import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GuardInput } from '../../../src/apply/guard-input.ts';
import { guard } from '../../../src/apply/guards.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import type { LiveState } from '../../../src/observe/live-state.ts';
import { observe } from '../../../src/observe/observe.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { converge, makeStateDir } from '../../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';
import { memberCases } from './guard-member-cases.ts';
import { releaseCases } from './guard-release-cases.ts';
import { restoreCases } from './guard-restore-cases.ts';
import { takeoverCases } from './guard-takeover-cases.ts';
import { wordCases } from './guard-word-cases.ts';

/** Three members on a, b and c, where a leads; d and e are spares. Only looked at, never changed. */
const running: ShortSpec = { members: 3, hosts: 'a b c d e' };
let stateDir: string;
const states: Partial<Record<'three' | 'single' | 'nothing', LiveState>> = {};
const cases = [...memberCases, ...wordCases, ...takeoverCases, ...restoreCases, ...releaseCases];

beforeAll(async () => {
  stateDir = await makeStateDir();
  states.three = await liveOf(running, 'a');
  states.single = await liveOf({ members: 1, hosts: 'a b c d e' }, 'a');
  states.nothing = await look(ModelWorld.create(['a', 'b', 'c', 'd', 'e']), running);
});
afterAll(() => rm(stateDir, { recursive: true, force: true }));

async function liveOf(short: ShortSpec, leader: string): Promise<LiveState> {
  const world = ModelWorld.create(['a', 'b', 'c', 'd', 'e']);
  await converge(world, modelSpec({ ...short, bootstrap: 'first' }), { stateDir });
  world.lead(leader);
  return look(world, short);
}

function look(world: ModelWorld, short: ShortSpec): Promise<LiveState> {
  return observe(modelSpec(short), new ModelController(world, nextLease(world), { stateDir }).sight);
}

function verdict(input: GuardInput): string {
  try {
    guard(input);
    return 'allowed';
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    return error.kind === 'refused' ? error.code : `${error.code}, but of kind ${error.kind}`;
  }
}

describe('the guards', () => {
  it.each(cases)('$code: $what', (each) => {
    const before = states[each.from ?? 'three'];
    if (before === undefined) throw new Error('the live states were not made');
    const live = each.change(before);
    const made = typeof each.step === 'function' ? each.step(live) : each.step;
    const clusterId = live.etcd.known ? live.etcd.value.clusterId : 'none';
    const taken = each.backup === undefined ? { name: 'taken-now', clusterId } : each.backup;
    expect(
      verdict({
        step: made,
        spec: modelSpec({ ...running, ...(typeof each.spec === 'function' ? each.spec(live) : each.spec) }),
        live,
        backup: taken,
        epoch: each.epoch ?? 1_000_000,
      }),
    ).toBe(each.code);
  });

  it('have a test for every refusal', () => {
    const source = ['guards.ts', 'guard-bootstrap.ts', 'guard-restore.ts', 'guard-input.ts']
      .map((file) => readFileSync(new URL(`../../../src/apply/${file}`, import.meta.url), 'utf8'))
      .join('\n');
    const codes = new Set([...source.matchAll(/refuse\(\s*input,\s*'([a-z-]+)'/g)].map((match) => match[1]));
    expect(codes.size).toBeGreaterThan(20);
    expect([...codes].filter((code) => !cases.some((each) => each.code === code))).toEqual([]);
  });
});
