import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { KeyWriter } from '../../../src/cli/demo/key-writer.ts';
import { eventually } from './eventually.ts';
import type { Fleet } from './fleet.ts';

/** Exactly these hosts run a voter, each is healthy, the others run nothing and hold no data; by etcdctl and /proc. */
export async function expectMembers(fleet: Fleet, names: readonly string[]): Promise<void> {
  const etcdctl = await fleet.etcdctl();
  const listed = await etcdctl.members(fleet.urls(names));
  expect(listed.map(({ name }) => name).toSorted()).toEqual([...names].toSorted());
  expect(listed.filter(({ isStarted, isLearner }) => !isStarted || isLearner)).toEqual([]);
  await etcdctl.health(fleet.urls(names));
  const versions = (await etcdctl.status(fleet.urls(names))).map(({ version }) => version);
  expect(new Set(versions)).toEqual(new Set([fleet.version]));
  for (const { name } of fleet.hosts) {
    const runs = (await fleet.etcdOn(name)) !== undefined;
    expect({ host: name, runs, hasData: await hasData(fleet, name) }).toEqual({
      host: name,
      runs: names.includes(name),
      hasData: names.includes(name),
    });
  }
}

export async function hasData(fleet: Fleet, host: string): Promise<boolean> {
  return exists(join(fleet.memberFolder(host), 'data', 'member'));
}

/** Names of a host's archived data dirs. */
export async function archivesOf(fleet: Fleet, host: string): Promise<readonly string[]> {
  const folder = join(fleet.folder, 'hosts', host, 'archives');
  return (await exists(folder)) ? readdir(folder) : [];
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Ends the writer and reads every key that was acknowledged back with etcdctl; members agree on all of them. */
export async function expectNoKeyLost(fleet: Fleet, writer: KeyWriter, names: readonly string[]): Promise<void> {
  await writer.stop();
  expect(writer.acknowledged).toBeGreaterThan(20);
  const etcdctl = await fleet.etcdctl();
  const found = await etcdctl.keys(fleet.urls(names), 'demo/');
  const missing = Array.from({ length: writer.acknowledged }, (_none, number) => number).filter(
    (number) => found.get(`demo/${String(number).padStart(8, '0')}`) !== `value ${number}`,
  );
  expect(missing).toEqual([]);
  await eventually('all members hold the same keys', 10_000, async () => {
    const hashes = await etcdctl.hashes(fleet.urls(names));
    expect(hashes).toHaveLength(names.length);
    expect(new Set(hashes).size).toBe(1);
  });
}

/** Hosts that etcd runs on, by /proc. */
export async function memberHosts(fleet: Fleet): Promise<readonly string[]> {
  const found = await Promise.all(fleet.hosts.map(async ({ name }) => ((await fleet.etcdOn(name)) ? [name] : [])));
  return found.flat();
}
