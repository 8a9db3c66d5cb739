import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyWriter } from '../../src/cli/demo/key-writer.ts';
import { skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, expectNoKeyLost } from './support/checks.ts';
import { Fleet } from './support/fleet.ts';

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
    const { code, stderr } = await fleet.once();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expectMembers(fleet, ['a']);
    writer = await fleet.startWriter();
  });

  test('grows to three', async () => {
    await fleet.commit('Three members', (spec) => {
      spec.setIn(['spec', 'members'], 3);
      spec.deleteIn(['spec', 'bootstrap']);
    });
    const { code, stderr } = await fleet.once();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expectMembers(fleet, ['a', 'b', 'c']);
  });

  test('shrinks to one', async () => {
    await fleet.commit('One member', (spec) => spec.setIn(['spec', 'members'], 1));
    const { code, stderr } = await fleet.once();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await expectMembers(fleet, [await fleet.leader(['a'])]);
    expect(await archivesOf(fleet, 'b')).toHaveLength(1);
    expect(await archivesOf(fleet, 'c')).toHaveLength(1);
    await expectNoKeyLost(fleet, writer, ['a']);
  });
});
