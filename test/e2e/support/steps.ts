import { expect } from 'vitest';
import { expectWholeBackup } from './backup-file.ts';
import { archivesOf, hasData, memberHosts } from './checks.ts';
import type { Boundary } from './controller-run.ts';
import type { Etcdctl, ListedMember } from './etcdctl.ts';
import { eventually } from './eventually.ts';
import type { Fleet } from './fleet.ts';

/** Looks from outside whether each step has done what it is named after. `seen` is every step that was done. */
export function watchSteps(fleet: Fleet): { inspect: (boundary: Boundary) => Promise<void>; seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    inspect: async (boundary) => {
      if (boundary.is === 'begins') return;
      seen.push(`${boundary.action} ${boundary.target}`);
      await expectDone(fleet, boundary);
    },
  };
}

async function expectDone(fleet: Fleet, { action, target }: Boundary): Promise<void> {
  const etcdctl = await fleet.etcdctl();
  const running = await memberHosts(fleet);
  const list = await listedBy(etcdctl, fleet, running);
  const member = list.find(({ name }) => name === target);
  switch (action) {
    case 'bootstrap-cluster':
      await etcdctl.health(fleet.urls(running));
      expect(list.filter(({ isStarted, isLearner }) => !isStarted || isLearner)).toEqual([]);
      return;
    case 'backup':
      await expectWholeBackup(fleet);
      return;
    case 'add-learner':
      expect(member).toMatchObject({ isStarted: true });
      expect(running).toContain(target);
      return;
    case 'promote-member':
      expect(member).toMatchObject({ isStarted: true, isLearner: false });
      await etcdctl.health(fleet.urls([target]));
      return;
    case 'restart-member':
      await etcdctl.health(fleet.urls(running));
      return;
    case 'move-leader':
      expect(await fleet.leader(list.map(({ name }) => name))).not.toBe(target);
      return;
    case 'remove-member':
      expect(member).toBeUndefined();
      return;
    case 'archive-data':
      expect(running).not.toContain(target);
      expect(await hasData(fleet, target)).toBe(false);
      expect(await archivesOf(fleet, target)).not.toEqual([]);
      return;
    default:
      throw new Error(`nothing is known of the step ${action}`);
  }
}

/** From any member: one that was removed a moment ago does not answer any more. */
async function listedBy(etcdctl: Etcdctl, fleet: Fleet, running: readonly string[]): Promise<readonly ListedMember[]> {
  return eventually('a member list', 10_000, async () => {
    for (const host of running) {
      const list = await etcdctl.members(fleet.urls([host])).catch(() => []);
      if (list.length > 0) return list;
    }
    throw new Error(`none of ${running.join(', ')} answers`);
  });
}
