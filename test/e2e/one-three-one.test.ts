import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyWriter } from '../../src/cli/demo/key-writer.ts';
import { skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, expectNoKeyLost } from './support/checks.ts';
import { Fleet } from './support/fleet.ts';

/** Even an election costs less on a busy machine. */
const longestGapMs = 10_000;

describe.skipIf(skipReason('v36') !== undefined)('one member, three, and one again', () => {
  let fleet: Fleet;
  let writer: KeyWriter;

  beforeAll(async () => {
    fleet = await Fleet.start('v36', { hosts: ['a', 'b', 'c'], members: 1 });
  });
  afterAll(async () => {
    await fleet?.close();
  });

  test('one member is a cluster', async () => {
    await fleet.converge();
    await expectMembers(fleet, ['a']);
    expect(await fleet.leader(['a'])).toBe('a');
    writer = await fleet.startWriter();
  });

  test('grows to three', async () => {
    await fleet.commit('Three members', (spec) => {
      spec.setIn(['spec', 'members'], 3);
      spec.deleteIn(['spec', 'bootstrap']);
    });
    await fleet.converge();
    await expectMembers(fleet, ['a', 'b', 'c']);
    expect(writer.takeLongestGapMs()).toBeLessThan(longestGapMs);
  });

  test('shrinks to one', async () => {
    await fleet.commit('One member', (spec) => spec.setIn(['spec', 'members'], 1));
    await fleet.converge();
    await expectMembers(fleet, [await fleet.leader(['a'])]);
    expect(await archivesOf(fleet, 'b')).toHaveLength(1);
    expect(await archivesOf(fleet, 'c')).toHaveLength(1);
    await expectNoKeyLost(fleet, writer, ['a']);
  });
});
