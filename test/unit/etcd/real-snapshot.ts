import { readFile } from 'node:fs/promises';
import { type Minor, requireRelease, testBinaries } from '../../support/binaries.ts';
import { createTestCluster } from './etcd-fixture.ts';

/** A snapshot of a real etcd of one member, as its own tool saves it: the database and its trailing SHA-256. */
export async function realSnapshot(minor: Minor, keys: Readonly<Record<string, string>>): Promise<Buffer> {
  const binary = await (await testBinaries()).ensure(requireRelease(minor));
  const cluster = await createTestCluster(binary);
  try {
    const host = await cluster.newHost('a');
    const member = await cluster.startMember(host, [host], 'new');
    for (const [key, value] of Object.entries(keys)) await cluster.etcdctl(member, 'put', key, value);
    const file = cluster.file('snapshot.db');
    await cluster.etcdctl(member, 'snapshot', 'save', file);
    return await readFile(file);
  } finally {
    await cluster.close();
  }
}
