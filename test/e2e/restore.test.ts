import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipReason } from '../support/binaries.ts';
import { archivesOf, expectMembers, memberHosts } from './support/checks.ts';
import { eventually } from './support/eventually.ts';
import { Fleet } from './support/fleet.ts';
import { backUp, clusterId, declareRestore, expectKeys, leaseKey, revisionOf, writeKeys } from './support/restores.ts';
import { loseDisks, loseEverything } from './support/total-loss.ts';

const three = ['a', 'b', 'c'];
const keys = 8;

/** Where a restore may be cut: `action part`, as the log names them. */
const parts = [
  'restore-cluster make-ready',
  'restore-cluster stage',
  'restore-cluster prepare',
  'restore-cluster record',
  'restore-cluster stop',
  'restore-cluster install',
  'restore-cluster start',
  'release check',
  'release record',
  'release close',
  'release open',
];

describe.skipIf(skipReason('v36') !== undefined)('a restore by commit', () => {
  let fleet: Fleet;
  let saved = '';

  beforeAll(async () => {
    fleet = await Fleet.start('v36', { hosts: three });
    await fleet.converge();
    await writeKeys(fleet, fleet.urls(three), 'before', keys);
    saved = await backUp(fleet);
  });
  afterAll(async () => {
    await fleet?.close();
  });

  /** What the backup holds is there on every member, and nothing of what came after it. */
  async function expectBackup(): Promise<void> {
    await expectMembers(fleet, three);
    const etcdctl = await fleet.etcdctl();
    await expectKeys(etcdctl, fleet.urls(three), 'before', keys);
    expect((await etcdctl.keys(fleet.urls(three), 'after/')).size).toBe(0);
  }

  test('of a lost cluster happens on words only, and brings everything back', async () => {
    const etcdctl = await fleet.etcdctl();
    const lease = await leaseKey(etcdctl, fleet.urls(three), 'before/leased', 3600);
    await etcdctl.text(fleet.urls(three), 'del', 'before/leased');
    await etcdctl.text(fleet.urls(three), 'put', `--lease=${lease}`, 'leased', 'yes');
    saved = await backUp(fleet);
    await writeKeys(fleet, fleet.urls(three), 'after', 5);
    const last = await revisionOf(etcdctl, fleet.urls(three)[0] ?? '');
    const former = await clusterId(fleet);

    await loseEverything(fleet, three);
    const refused = await fleet.once();
    expect(refused.code).toBe(10);
    expect(refused.stderr).toContain('[cluster-lost]');
    expect(refused.stderr).toContain(`from: { backup: ${saved} }`);
    expect(await memberHosts(fleet)).toEqual([]);

    await declareRestore(fleet, 'again', 'latest');
    const { stdout } = await fleet.quorate('plan');
    expect(stdout).toMatch(/restore-loses-writes[\s\S]*before this plan/);
    expect(stdout).toContain('restore-outage');
    const { boundaries } = await fleet.converge();
    expect(boundaries.map(({ action, is }) => `${action} ${is}`)).toEqual([
      'restore-cluster begins',
      'restore-cluster done',
      'release begins',
      'release done',
    ]);
    await expectBackup();
    expect(await clusterId(fleet)).not.toBe(former);
    // Nobody who watches sees time run backwards: revisions go on above all that was ever seen, the old ones are compacted.
    expect(await revisionOf(etcdctl, fleet.urls(three)[0] ?? '')).toBeGreaterThan(last);
    const watch = await etcdctl.attempt(fleet.urls(['a']), 'get', 'before/0', '--rev', String(last));
    expect(watch.code).not.toBe(0);
    expect(watch.stderr).toMatch(/compacted/);
    // Its lease came back with the key, and revoking it takes the key away.
    expect(await etcdctl.text(fleet.urls(three), 'get', 'leased', '--print-value-only')).toBe('yes');
    await etcdctl.text(fleet.urls(three), 'lease', 'revoke', lease);
    expect(await etcdctl.text(fleet.urls(three), 'get', 'leased', '--print-value-only')).toBe('');
  });

  test('does nothing more when it has been done, whether its words stay or go', async () => {
    expect((await fleet.converge()).boundaries).toEqual([]);
    await fleet.commit('The restore is done', (spec) => spec.deleteIn(['spec', 'bootstrap']));
    expect((await fleet.converge()).boundaries).toEqual([]);
  });

  test('of a live cluster is refused without its name, and done with it, after a backup of what is given up', async () => {
    saved = await backUp(fleet);
    await writeKeys(fleet, fleet.urls(three), 'after', 3);
    const id = await clusterId(fleet);
    await declareRestore(fleet, 'over-1', saved);
    const refused = await fleet.once();
    expect(refused.code).toBe(10);
    expect(refused.stderr).toContain('[discard-not-confirmed]');
    expect(refused.stderr).toContain(`discardData: "${id}"`);
    await declareRestore(fleet, 'over-1', saved, id);
    const { boundaries } = await fleet.converge();
    expect(boundaries.filter(({ is }) => is === 'done').map(({ action }) => action)).toEqual([
      'backup',
      'restore-cluster',
      'release',
    ]);
    await expectBackup();
    for (const host of three) expect((await archivesOf(fleet, host)).join()).toContain('restored');
  });

  test('of what quorum has lost for good puts the rest away', async () => {
    await writeKeys(fleet, fleet.urls(three), 'after', 3);
    await loseDisks(fleet, ['a', 'b']);
    await declareRestore(fleet, 'minority', saved);
    expect((await fleet.converge()).boundaries.at(-1)).toMatchObject({ action: 'release', is: 'done' });
    await expectBackup();
  });

  test('with an altered backup ends before anything is stopped', async () => {
    await writeKeys(fleet, fleet.urls(three), 'after', 5);
    const bad = await backUp(fleet);
    const archive = join(fleet.folder, 'backups', 'orders', bad, 'etcd.backup.gz');
    const handle = await open(archive, 'r+');
    try {
      const byte = Buffer.alloc(1);
      const middle = Math.trunc((await handle.stat()).size / 2);
      await handle.read(byte, 0, 1, middle);
      await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, middle);
    } finally {
      await handle.close();
    }
    const pids = await Promise.all(three.map((host) => fleet.pidOn(host)));
    await declareRestore(fleet, 'altered', bad, await clusterId(fleet));
    const { code, log } = await fleet.once();
    expect(code).toBe(1);
    expect(log.map((line) => line.code)).toContain('backup-altered');
    expect(log.map((line) => line.part)).not.toContain('record');
    expect(await Promise.all(three.map((host) => fleet.pidOn(host)))).toEqual(pids);
    await expectKeys(await fleet.etcdctl(), fleet.urls(three), 'after', 5);
  });

  test.each(parts)('whose controller is killed at "%s" ends restored or untouched', async (part) => {
    const number = parts.indexOf(part);
    await declareRestore(fleet, `killed-${number}`, saved, await clusterId(fleet));
    const { code } = await fleet.once({ killAtPart: part });
    expect(code).toBe(null);
    // Whatever is there now, no empty cluster serves: either the one from before, or nobody, or the restored one.
    await eventually('the run is taken up', 60_000, async () => {
      await fleet.converge();
    });
    await expectBackup();
    await writeKeys(fleet, fleet.urls(three), 'after', 3);
  });
});
