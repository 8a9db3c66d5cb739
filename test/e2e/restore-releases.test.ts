import { afterEach, describe, expect, test } from 'vitest';
import { canBumpRevision } from '../../src/etcd/releases.ts';
import { type Minor, skipReason } from '../support/binaries.ts';
import { expectMembers } from './support/checks.ts';
import { Fleet } from './support/fleet.ts';
import { backUp, declareRestore, expectKeys, leaseKey, revisionOf, writeKeys } from './support/restores.ts';
import { loseEverything } from './support/total-loss.ts';

const three = ['a', 'b', 'c'];
const keys = 5;

/** 3.6 has a file of its own. 3.4 restores with another tool, and its older patches cannot raise revisions. */
describe.each(['v34', 'v35'] as const satisfies readonly Minor[])('a restore by commit on %s', (minor) => {
  let fleet: Fleet | undefined;
  afterEach(async () => {
    await fleet?.close();
  });

  test.skipIf((minor === 'v34' ? skipReason('v34') : skipReason('v35')) !== undefined)(
    'brings a lost cluster back, and warns where revisions run backwards',
    async () => {
      const made = await Fleet.start(minor, { hosts: three });
      fleet = made;
      await made.converge();
      const etcdctl = await made.etcdctl();
      const urls = made.urls(three);
      await writeKeys(made, urls, 'before', keys);
      const lease = await leaseKey(etcdctl, urls, 'leased', 3600);
      const saved = await backUp(made);
      const revision = await revisionOf(etcdctl, urls[0] ?? '');
      await writeKeys(made, urls, 'after', 2);
      await loseEverything(made, three);
      await declareRestore(made, 'again', saved);
      const isRaised = canBumpRevision(made.version);
      expect((await made.quorate('plan')).stdout.includes('revision-goes-back')).toBe(!isRaised);
      await made.converge();
      await expectMembers(made, three);
      await expectKeys(etcdctl, urls, 'before', keys);
      expect((await etcdctl.keys(urls, 'after/')).size).toBe(0);
      expect(await revisionOf(etcdctl, urls[0] ?? '')).toBe(revision + (isRaised ? 1_000_000 : 0));
      expect(await etcdctl.text(urls, 'lease', 'timetolive', lease, '--keys')).toContain('leased');
      expect((await made.converge()).boundaries).toEqual([]);
    },
  );
});
