import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { freePortRow } from '../../src/cli/demo/loopback-ports.ts';
import { skipReason } from '../support/binaries.ts';
import { expectNoKeyLost } from './support/checks.ts';
import { Fleet } from './support/fleet.ts';

interface Spec {
  metadata: { name: string };
  spec: { hosts: { name: string; ports?: object }[]; etcd: Record<string, unknown> };
}

interface Status {
  readonly clusters: readonly {
    readonly name: string;
    readonly phase: string;
    readonly clusterId: string;
    readonly members: readonly { readonly healthy: boolean }[];
  }[];
}

describe.skipIf(skipReason('v36') !== undefined)('two clusters on the same agents', () => {
  let fleet: Fleet;
  const billing = (): string => join(fleet.folder, 'repo', 'clusters', 'billing.yaml');

  /** Writes the second cluster's spec: the first one's, with a name and ports of its own. */
  async function declareBilling(edit: (spec: Spec) => void): Promise<void> {
    const spec = parse(await readFile(fleet.specFile, 'utf8')) as Spec;
    spec.metadata.name = 'billing';
    edit(spec);
    await writeFile(billing(), stringify(spec));
  }

  beforeAll(async () => {
    fleet = await Fleet.start('v36', { hosts: ['a', 'b', 'c'], members: 3 });
    await fleet.converge();
  });
  afterAll(async () => {
    await fleet?.close();
  });

  test('run side by side, each with its own identity, and a change of one leaves the other alone', async () => {
    const pids = await Promise.all(['a', 'b', 'c'].map((host) => fleet.pidOn(host)));
    const writer = await fleet.startWriter();
    const first = await freePortRow(9);
    await declareBilling((spec) => {
      spec.spec.hosts.forEach((host, index) => {
        const client = first + 3 * index;
        host.ports = { client, peer: client + 1, metrics: client + 2 };
      });
    });
    await fleet.commitAll('A second cluster on the same hosts');
    await fleet.converge();
    const spec = parse(await readFile(billing(), 'utf8')) as Spec;
    spec.spec.etcd['heartbeat-interval'] = 90;
    await writeFile(billing(), stringify(spec));
    await fleet.commitAll('The second cluster beats faster');
    await fleet.converge();

    const { clusters } = await fleet.json<Status>('status');
    expect(
      clusters.map(({ name, phase, members }) => ({ name, phase, healthy: members.filter((m) => m.healthy).length })),
    ).toEqual([
      { name: 'billing', phase: 'Converged', healthy: 3 },
      { name: 'orders', phase: 'Converged', healthy: 3 },
    ]);
    expect(new Set(clusters.map(({ clusterId }) => clusterId)).size).toBe(2);
    expect(await Promise.all(['a', 'b', 'c'].map((host) => fleet.pidOn(host)))).toEqual(pids);
    await expectNoKeyLost(fleet, writer, ['a', 'b', 'c']);
  });
});
