import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { observe } from '../../../src/observe/observe.ts';
import { fingerprintOf } from '../../../src/plan/fingerprint.ts';
import { plan } from '../../../src/plan/planner.ts';
import { ModelController, nextLease } from '../../support/model/controller.ts';
import { converge, makeStateDir } from '../../support/model/converge.ts';
import { modelSpec, type ShortSpec } from '../../support/model/model-spec.ts';
import { ModelWorld } from '../../support/model/world.ts';

const three: ShortSpec = { members: 3, hosts: 'a b c d e' };
let stateDir: string;
let base: ModelWorld;

beforeAll(async () => {
  stateDir = await makeStateDir();
  base = ModelWorld.create(['a', 'b', 'c', 'd', 'e']);
  await converge(base, modelSpec({ ...three, bootstrap: 'first' }), { stateDir });
  base.lead('a');
});
afterAll(() => rm(stateDir, { recursive: true, force: true }));

async function fingerprint(change: (world: ModelWorld) => void, short: ShortSpec = three): Promise<string> {
  const world = base.fork();
  change(world);
  const { sight } = new ModelController(world, nextLease(world), { stateDir });
  return fingerprintOf(modelSpec(short), await observe(modelSpec(short), sight));
}

const unchanged = (): void => undefined;

describe('the fingerprint', () => {
  it.each<[string, (world: ModelWorld) => void]>([
    ['time goes on', (world) => world.advanceTo(world.nowMs + 3_600_000)],
    ['keys are written', (world) => world.put(10)],
    ['another member leads', (world) => world.lead('b')],
    [
      'a process is restarted',
      (world) => {
        world.kill('c');
        world.advanceTo(world.nowMs + 5_000);
      },
    ],
  ])('stays when %s', async (_what, change) => {
    expect(await fingerprint(change)).toBe(await fingerprint(unchanged));
  });

  it.each<[string, (world: ModelWorld) => void]>([
    ['a disk is wiped', (world) => world.wipe('c')],
    [
      'an agent falls silent',
      (world) => {
        world.host('d').isAgentAway = true;
      },
    ],
    [
      'an alarm is raised',
      (world) => {
        world.state.alarms.push({ memberId: 'abab', alarm: 'CORRUPT' });
      },
    ],
    ['the record is lost', (world) => world.store.objects.clear()],
    [
      'an authority is made',
      (world) => {
        const [paper] = Object.values(world.state.authorities);
        if (paper !== undefined) world.state.authorities['other'] = { ...paper, name: 'other', fingerprint: 'f0f0' };
      },
    ],
  ])('moves when %s', async (_what, change) => {
    expect(await fingerprint(change)).not.toBe(await fingerprint(unchanged));
  });

  it('moves with the spec', async () => {
    expect(await fingerprint(unchanged, { ...three, etcd: { 'heartbeat-interval': 200 } })).not.toBe(
      await fingerprint(unchanged),
    );
  });
});

it('digests what a reviewer approves: the same steps in the same world', async () => {
  const { sight } = new ModelController(base.fork(), nextLease(base), { stateDir });
  const grown = modelSpec({ members: 5, hosts: 'a b c d e' });
  const live = await observe(grown, sight);
  const made = plan(grown, live, 'c0ffee0');
  expect(made).toMatchObject({ applyable: true, formatVersion: '1.0', commit: 'c0ffee0', cluster: 'orders' });
  expect(plan(grown, { ...live, observedAtMs: live.observedAtMs + 1000 }, 'c0ffee1').digest).toBe(made.digest);
  const suspended = modelSpec({ members: 5, hosts: 'a b c d e', suspend: true });
  expect(plan(suspended, live, 'c0ffee0').digest).not.toBe(made.digest);
});
