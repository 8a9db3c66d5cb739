import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyWriter } from '../../src/cli/demo/key-writer.ts';
import { type Minor, skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, expectNoKeyLost } from './support/checks.ts';
import { Fleet } from './support/fleet.ts';
import { watchSteps } from './support/steps.ts';
import { expectClosedToStrangers } from './support/strangers.ts';

const three = ['a', 'b', 'c'];
const five = [...three, 'd', 'e'];

/** The life of a cluster in commits, each step looked at from outside while the controller stands still. */
describe.each<Minor>(['v34', 'v35', 'v36'])('etcd %s', (minor) => {
  describe.skipIf(skipReason(minor) !== undefined)('from the first commit', () => {
    let fleet: Fleet;
    let writer: KeyWriter;

    beforeAll(async () => {
      fleet = await Fleet.start(minor);
    });
    afterAll(async () => {
      await fleet?.close();
    });

    async function apply(): Promise<readonly string[]> {
      const { inspect, seen } = watchSteps(fleet);
      await fleet.converge({ inspect });
      return seen;
    }

    test('a commit creates three members', async () => {
      expect(await apply()).toEqual(['bootstrap-cluster orders']);
      await expectMembers(fleet, three);
      writer = await fleet.startWriter();
    });

    test('nobody without a certificate of the cluster gets in, and no other user reads its files', async () => {
      await expectClosedToStrangers(fleet, 'a');
      for (const host of three) {
        const folder = fleet.memberFolder(host);
        const modes = await Promise.all(
          ['', 'data', 'tls', 'tls/peer.pem', 'tls/client.pem', 'logs/etcd.log'].map(
            async (path) => `${path} ${((await stat(join(folder, path))).mode & 0o777).toString(8)}`,
          ),
        );
        expect(modes).toEqual([
          ' 700',
          'data 700',
          'tls 700',
          'tls/peer.pem 600',
          'tls/client.pem 600',
          'logs/etcd.log 600',
        ]);
      }
    });

    test('a changed flag restarts one member after the other, the leader last', async () => {
      const leader = await fleet.leader(three);
      const before = await Promise.all(three.map((host) => fleet.pidOn(host)));
      await fleet.commit('Fewer entries between two snapshots', (spec) => {
        spec.setIn(['spec', 'etcd', 'snapshot-count'], 5000);
        spec.deleteIn(['spec', 'bootstrap']);
      });
      const followers = three.filter((host) => host !== leader);
      const [, ...steps] = await apply();
      expect(steps).toEqual([
        ...followers.map((host) => `restart-member ${host}`),
        `move-leader ${leader}`,
        `restart-member ${leader}`,
      ]);
      await expectMembers(fleet, three);
      const after = await Promise.all(three.map((host) => fleet.etcdOn(host)));
      for (const process of after) expect(process?.args).toContain('--snapshot-count=5000');
      expect(after.filter((process) => process !== undefined && before.includes(process.pid))).toEqual([]);
    });

    test('grows to five, one learner at a time', async () => {
      await fleet.commit('Five members', (spec) => spec.setIn(['spec', 'members'], 5));
      const steps = ['add-learner d', 'promote-member d', 'add-learner e', 'promote-member e'];
      expect((await apply()).slice(1)).toEqual(steps);
      await expectMembers(fleet, five);
    });

    test('shrinks to three, and keeps the data of those that left', async () => {
      await fleet.commit('Three members', (spec) => spec.setIn(['spec', 'members'], 3));
      const steps = await apply();
      const removed = steps.filter((step) => step.startsWith('remove-member')).map((step) => step.split(' ')[1] ?? '');
      const staying = five.filter((host) => !removed.includes(host));
      expect(removed).toHaveLength(2);
      await expectMembers(fleet, staying);
      for (const host of removed) expect(await archivesOf(fleet, host)).toHaveLength(1);
      await expectNoKeyLost(fleet, writer, staying);
    });

    test('backups, history and status tell what was done', async () => {
      const { backups } = await fleet.json<{ backups: readonly BackupEntry[] }>('backup', 'list');
      expect(backups.map(({ reason, verified }) => ({ reason, verified }))).toEqual(
        Array.from({ length: 3 }, () => ({ reason: 'before-change', verified: true })),
      );
      const newest = await fleet.quorate('backup', 'verify', backups[0]?.name ?? '');
      expect({ code: newest.code, whole: newest.stdout.includes(': whole') }).toEqual({ code: 0, whole: true });
      const { runs } = await fleet.json<{ runs: readonly RunEntry[] }>('history');
      const commits = (await fleet.git('log', '--format=%H', '-4')).split('\n');
      expect(runs.map(({ commit, outcome }) => ({ commit, outcome }))).toEqual(
        commits.map((commit) => ({ commit, outcome: 'done' })),
      );
      const { clusters } = await fleet.json<{ clusters: readonly { phase: string; lastRun: unknown }[] }>('status');
      expect(clusters.map(({ phase }) => phase)).toEqual(['Converged']);
    });

    test('a second look finds nothing to do', async () => {
      const before = await fleet.json<{ runs: readonly RunEntry[] }>('history');
      const { code, boundaries } = await fleet.once();
      expect({ code, boundaries }).toEqual({ code: 0, boundaries: [] });
      expect(await fleet.json('history')).toEqual(before);
      const { code: pending } = await fleet.quorate('plan', '--detailed-exitcode');
      expect(pending).toBe(0);
    });
  });
});

interface BackupEntry {
  readonly name: string;
  readonly reason: string;
  readonly verified: boolean;
}

interface RunEntry {
  readonly commit: string;
  readonly outcome: string;
}
