import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyWriter } from '../../src/cli/demo/key-writer.ts';
import { skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, expectNoKeyLost, memberHosts } from './support/checks.ts';
import type { Boundary } from './support/controller-run.ts';
import { Fleet } from './support/fleet.ts';
import { isAlive } from './support/processes.ts';

/** Five steps each: backup, and two members that join or leave in two steps each. */
const boundariesOfAChange = 10;

/** Controllers and agents die at the worst moments; the next run ends in the declared state. */
describe.skipIf(skipReason('v36') !== undefined)('a crash', () => {
  let fleet: Fleet;
  let writer: KeyWriter;
  let kills = 0;

  beforeAll(async () => {
    fleet = await Fleet.start('v36');
    await fleet.converge();
    await fleet.commit('The bootstrap is done', (spec) => spec.deleteIn(['spec', 'bootstrap']));
    writer = await fleet.startWriter();
  });
  afterAll(async () => {
    await fleet?.close();
  });

  async function declare(members: number): Promise<void> {
    await fleet.commit(`${members} members`, (spec) => spec.setIn(['spec', 'members'], members));
  }

  /** How many members a fresh run leaves, all of them in order. */
  async function membersAfterRun(): Promise<number> {
    await fleet.converge();
    const hosts = await memberHosts(fleet);
    await expectMembers(fleet, hosts);
    return hosts.length;
  }

  async function killedAt(number: number): Promise<void> {
    const { code, boundaries } = await fleet.once({ killAt: number });
    expect({ code, isThere: boundaries.length >= number }).toEqual({ code: null, isThere: true });
    kills++;
  }

  describe('of the controller', () => {
    test.each(Array.from({ length: boundariesOfAChange }, (_none, index) => index + 1))(
      'at boundary %i of growing and of shrinking',
      async (number) => {
        await declare(5);
        await killedAt(number);
        expect(await membersAfterRun()).toBe(5);
        await declare(3);
        await killedAt(number);
        expect(await membersAfterRun()).toBe(3);
      },
    );

    test('there were no other boundaries, and history knows of every death', async () => {
      const { runs } = await fleet.json<{ runs: readonly { outcome: string }[] }>('history', '--limit', '1000');
      expect(runs.filter(({ outcome }) => outcome === 'interrupted')).toHaveLength(kills);
      for (const members of [5, 3]) {
        await declare(members);
        const { code, boundaries } = await fleet.once();
        expect({ code, boundaries: boundaries.length }).toEqual({ code: 0, boundaries: boundariesOfAChange });
      }
    });
  });

  describe('of an agent', () => {
    async function agentDiesAt(action: string, when: (boundary: Boundary) => Promise<void>): Promise<string> {
      let victim = '';
      let killing: Promise<void> | undefined;
      const { code, stderr } = await fleet.once({
        onBoundary: (boundary) => {
          if (victim !== '' || boundary.is !== 'begins' || boundary.action !== action) return;
          victim = boundary.target;
          killing = when(boundary).then(() => fleet.killAgent(victim));
        },
      });
      await killing;
      expect(victim, 'no such step was reached').not.toBe('');
      expect(code, stderr).toBe(1);
      await fleet.startAgent(victim);
      return victim;
    }

    test('while its host gets a learner', async () => {
      await declare(5);
      await agentDiesAt('add-learner', async () => undefined);
      expect(await membersAfterRun()).toBe(5);
    });

    test('while the data of its member is archived', async () => {
      await declare(3);
      const victim = await agentDiesAt('archive-data', async () => undefined);
      expect(await membersAfterRun()).toBe(3);
      expect(await archivesOf(fleet, victim)).not.toEqual([]);
    });

    test('between the stop and the start of its member', async () => {
      const hosts = await memberHosts(fleet);
      const pids = new Map(await Promise.all(hosts.map(async (host) => [host, await fleet.pidOn(host)] as const)));
      await fleet.commit('Another flag', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 7000));
      await agentDiesAt('restart-member', ({ target }) => endOf(pids.get(target) ?? 0));
      expect(await membersAfterRun()).toBe(3);
      for (const host of hosts) expect((await fleet.etcdOn(host))?.args).toContain('--snapshot-count=7000');
    });
  });

  test('loses no key', async () => {
    await expectNoKeyLost(fleet, writer, await memberHosts(fleet));
    expect(writer.acknowledged).toBeGreaterThan(500);
  });
});

/** Resolves in the turn after a process has ended, so that what follows comes before its parent can react. */
async function endOf(pid: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new Error(`process ${pid} does not end`);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
