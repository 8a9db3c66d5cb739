import { expect } from 'vitest';
import type { Etcdctl } from './etcdctl.ts';
import { eventually } from './eventually.ts';
import type { Fleet } from './fleet.ts';

/** `quorate backup create`; gives the name. */
export async function backUp(fleet: Fleet): Promise<string> {
  const { name } = await fleet.json<{ name: string }>('backup', 'create');
  return name;
}

export async function declareRestore(fleet: Fleet, id: string, backup: string, discardData?: string): Promise<void> {
  await fleet.commit(`Restore ${backup} as ${id}`, (spec) =>
    spec.setIn(['spec', 'bootstrap'], {
      id,
      from: { backup },
      ...(discardData === undefined ? {} : { discardData }),
    }),
  );
}

export async function clusterId(fleet: Fleet): Promise<string> {
  const { clusters } = await fleet.json<{ clusters: readonly { clusterId: string }[] }>('status');
  return clusters[0]?.clusterId ?? '';
}

/** Writes keys `prefix/0` … with the values that `expectKeys` looks for. */
export async function writeKeys(fleet: Fleet, urls: readonly string[], prefix: string, count: number): Promise<void> {
  const etcdctl = await fleet.etcdctl();
  for (let index = 0; index < count; index++) await etcdctl.put(urls, `${prefix}/${index}`, `value ${index}`);
}

export async function expectKeys(
  etcdctl: Etcdctl,
  urls: readonly string[],
  prefix: string,
  count: number,
): Promise<void> {
  for (const url of urls) {
    const found = await etcdctl.keys([url], `${prefix}/`);
    expect(found.size).toBe(count);
    for (const [key, value] of found) expect(value).toBe(`value ${key.slice(prefix.length + 1)}`);
  }
  await eventually('all members hold the same keys', 20_000, async () => {
    expect(new Set(await etcdctl.hashes(urls)).size).toBe(1);
  });
}

/** A lease with a key on it; gives its id. */
export async function leaseKey(
  etcdctl: Etcdctl,
  urls: readonly string[],
  key: string,
  seconds: number,
): Promise<string> {
  const granted = await etcdctl.text(urls, 'lease', 'grant', String(seconds));
  const id = /lease ([0-9a-f]+) granted/.exec(granted)?.[1] ?? '';
  await etcdctl.text(urls, 'put', `--lease=${id}`, key, 'leased');
  return id;
}

export async function revisionOf(etcdctl: Etcdctl, url: string): Promise<number> {
  const [status] = JSON.parse(await etcdctl.text([url], 'endpoint', 'status', '-w', 'json')) as readonly {
    Status: { header: { revision: number } };
  }[];
  return status?.Status.header.revision ?? 0;
}
