import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipReason } from '../support/binaries.ts';
import { expectMembers, memberHosts } from './support/checks.ts';
import { eventually } from './support/eventually.ts';
import { Fleet } from './support/fleet.ts';
import { presentedBy } from './support/presented.ts';
import { killHard } from './support/processes.ts';

const three = ['a', 'b', 'c'];

/** One cluster meets everything that Quorate must not do by itself; each time nothing is touched. */
describe.skipIf(skipReason('v36') !== undefined)('what is refused, and what waits', () => {
  let fleet: Fleet;

  beforeAll(async () => {
    fleet = await Fleet.start('v36', { hosts: three });
  });
  afterAll(async () => {
    await fleet?.close();
  });

  async function pids(): Promise<readonly number[]> {
    return Promise.all(three.map((host) => fleet.pidOn(host)));
  }

  /** Exit code of a run that changes nothing, and the codes that it names. */
  async function untouched(): Promise<{ readonly code: number | null; readonly named: string }> {
    const before = await memberHosts(fleet);
    const running = await Promise.all(before.map((host) => fleet.pidOn(host)));
    const { code, stderr, boundaries } = await fleet.once();
    expect(boundaries.filter(({ is, action }) => is === 'done' && action !== 'backup')).toEqual([]);
    expect(await memberHosts(fleet)).toEqual(before);
    expect(await Promise.all(before.map((host) => fleet.pidOn(host)))).toEqual(running);
    return { code, named: [...stderr.matchAll(/\[([a-z-]+)\]/g)].map((match) => match[1] ?? '').join(' ') };
  }

  describe('before there is a cluster', () => {
    test('a cluster that nobody asked for is not created', async () => {
      await fleet.commit('No word of a bootstrap', (spec) => spec.deleteIn(['spec', 'bootstrap']));
      expect(await untouched()).toEqual({ code: 10, named: 'bootstrap-not-declared' });
    });

    test('a spec with a mistake is named with its place, and changes nothing', async () => {
      await fleet.commit('A typing error', (spec) => spec.setIn(['spec', 'membres'], 3));
      const checked = await fleet.quorate('validate', fleet.specFile);
      expect(checked.code).toBe(3);
      expect(checked.stdout).toMatch(/orders\.yaml:[0-9]+:[0-9]+: error: Unknown key [^]*"membres"/);
      expect((await fleet.quorate('plan')).code).toBe(3);
      await fleet.git('revert', '--no-edit', 'HEAD');
    });

    test('a host that does not answer is waited for', async () => {
      await fleet.commit('Create it', (spec) => spec.setIn(['spec', 'bootstrap'], { id: 'first', from: 'empty' }));
      await fleet.killAgent('c');
      const answer = await untouched();
      expect(answer.code).toBe(1);
      expect(answer.named).toContain('agent-unreachable');
      await fleet.startAgent('c');
    });

    test('a suspended cluster is looked at only', async () => {
      await fleet.commit('Not today', (spec) => spec.setIn(['spec', 'suspend'], true));
      expect((await fleet.quorate('apply')).code).toBe(13);
      expect(await memberHosts(fleet)).toEqual([]);
      await fleet.commit('Now', (spec) => spec.setIn(['spec', 'suspend'], false));
    });

    test('then it is created', async () => {
      expect((await fleet.once()).code).toBe(0);
      await expectMembers(fleet, three);
      await (await fleet.etcdctl()).put(fleet.urls(['a']), 'kept', 'yes');
    });
  });

  describe('while it runs', () => {
    test('the member count stays while a bootstrap stands in the file', async () => {
      await fleet.commit('One member', (spec) => spec.setIn(['spec', 'members'], 1));
      expect(await untouched()).toEqual({ code: 10, named: 'bootstrap-still-declared' });
      await fleet.commit('Three members, created', (spec) => {
        spec.setIn(['spec', 'members'], 3);
        spec.deleteIn(['spec', 'bootstrap']);
      });
      expect(await untouched()).toEqual({ code: 0, named: '' });
    });

    test('a file that cannot be read leaves the last good spec in force, and status says where it is broken', async () => {
      const good = await fleet.git('rev-parse', 'HEAD');
      await writeFile(fleet.specFile, 'kind: EtcdCluster\nspec: { members: 5\n  hosts: [\n');
      await fleet.commitAll('Broken');
      expect((await untouched()).code).toBe(0);
      const { clusters } = await fleet.json<StatusJson>('status');
      expect(clusters).toMatchObject([{ phase: 'Converged', commit: good }]);
      expect((await fleet.quorate('status')).stdout).toMatch(/clusters\/orders\.yaml:[0-9]+:[0-9]+/);
    });

    test('a file that is gone makes the cluster an orphan, which is left alone', async () => {
      await rm(fleet.specFile);
      await fleet.commitAll('Gone');
      expect((await untouched()).code).toBe(0);
      expect((await fleet.json<StatusJson>('status')).clusters).toMatchObject([{ phase: 'Orphaned' }]);
      await fleet.git('revert', '--no-edit', 'HEAD', 'HEAD~1');
      expect((await untouched()).code).toBe(0);
      expect((await fleet.json<StatusJson>('status')).clusters).toMatchObject([{ phase: 'Converged' }]);
    });

    test('a plan that was approved does not cover another change', async () => {
      const file = join(fleet.folder, 'approved.json');
      await fleet.commit('A flag', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 5000));
      expect((await fleet.quorate('plan', '--out', file, '--detailed-exitcode')).code).toBe(2);
      await fleet.commit('Another value', (spec) => spec.setIn(['spec', 'etcd', 'snapshot-count'], 6000));
      const before = await pids();
      expect((await fleet.quorate('apply', '--plan', file)).code).toBe(11);
      expect(await pids()).toEqual(before);
    });

    test('without a store that takes the backup nothing is changed', async () => {
      const store = join(fleet.folder, 'backups');
      await rename(store, `${store}.away`);
      await writeFile(store, 'no folder');
      const answer = await untouched();
      expect(answer.code).toBe(1);
      expect(answer.named).toContain('store-unknown');
      await rm(store);
      await rename(`${store}.away`, store);
      const { code, boundaries } = await fleet.once();
      expect(code).toBe(0);
      expect(boundaries.filter(({ is, action }) => is === 'done' && action === 'restart-member')).toHaveLength(3);
      for (const host of three) expect((await fleet.etcdOn(host))?.args).toContain('--snapshot-count=6000');
    });

    test('new leaves are taken up without a restart', async () => {
      const before = await pids();
      const old = await Promise.all(three.map((host) => presentedBy(fleet, host)));
      expect(old.map(({ isRsa }) => isRsa)).toEqual([false, false, false]);
      await fleet.commit('Other keys', (spec) => spec.setIn(['spec', 'tls', 'leaf', 'keyType'], 'rsa-2048'));
      expect((await fleet.once()).code).toBe(0);
      const fresh = await Promise.all(three.map((host) => presentedBy(fleet, host)));
      expect(fresh.map(({ isRsa }) => isRsa)).toEqual([true, true, true]);
      expect(await pids()).toEqual(before);
      await expectMembers(fleet, three);
    });

    test('a second controller on the same state stands back', async () => {
      const first = fleet.startController();
      await first.says('controller starts');
      await eventually('the first controller has the lease', 60_000, async () => {
        expect((await fleet.once()).code).toBe(12);
      });
      await first.end('SIGTERM');
      expect((await untouched()).code).toBe(0);
    });
  });

  describe('when all data is gone', () => {
    let lostId = '';

    test('the loss is named, and nothing is started', async () => {
      lostId = (await fleet.json<StatusJson>('status')).clusters[0]?.clusterId ?? '';
      expect(lostId).toMatch(/^[0-9a-f]+$/);
      const running = await pids();
      // Agents first: they would start etcd again before the data is away.
      for (const host of three) await fleet.killAgent(host);
      await killHard(running);
      for (const host of three) await rm(join(fleet.memberFolder(host), 'data'), { recursive: true });
      await fleet.startAgents();
      expect(await untouched()).toEqual({ code: 10, named: 'cluster-lost' });
      expect((await fleet.json<StatusJson>('status')).clusters).toMatchObject([{ phase: 'Lost' }]);
    });

    test('a new bootstrap alone does not give the data up', async () => {
      await fleet.commit('Again', (spec) => spec.setIn(['spec', 'bootstrap'], { id: 'again', from: 'empty' }));
      expect(await untouched()).toEqual({ code: 10, named: 'discard-not-confirmed' });
    });

    test('neither does the id of another cluster, nor the bootstrap that was used', async () => {
      await fleet.commit('Wrong id', (spec) => spec.setIn(['spec', 'bootstrap', 'discardData'], 'abcdef0123456789'));
      expect(await untouched()).toEqual({ code: 10, named: 'discard-not-confirmed' });
      await fleet.commit('Used', (spec) =>
        spec.setIn(['spec', 'bootstrap'], { id: 'first', from: 'empty', discardData: lostId }),
      );
      expect(await untouched()).toEqual({ code: 10, named: 'cluster-lost' });
    });

    test('the right words create a new, empty cluster', async () => {
      await fleet.commit('Start empty', (spec) =>
        spec.setIn(['spec', 'bootstrap'], { id: 'again', from: 'empty', discardData: lostId }),
      );
      expect((await fleet.once()).code).toBe(0);
      await expectMembers(fleet, three);
      expect([...(await (await fleet.etcdctl()).keys(fleet.urls(three), 'kept')).keys()]).toEqual([]);
      const { clusters } = await fleet.json<StatusJson>('status');
      expect(clusters).toMatchObject([{ phase: 'Converged' }]);
      expect(clusters[0]?.clusterId).not.toBe(lostId);
    });
  });
});

interface StatusJson {
  readonly clusters: readonly { readonly phase: string; readonly commit: string; readonly clusterId: string }[];
}
