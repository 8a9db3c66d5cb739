import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keysOf } from '../../../src/backup/backup-name.ts';
import { readProof } from '../../../src/backup/catalog.ts';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { takeBackup } from '../../../src/backup/snapshot.ts';
import type { Backup, BackupProof, ObjectStore } from '../../../src/backup/store.ts';
import { renderStored } from '../../../src/backup/stored-json.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { Binaries, EtcdBinary } from '../../../src/etcd/binaries.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import type { Minor } from '../../support/binaries.ts';
import { requireRelease, testBinaries } from '../../support/binaries.ts';
import { createTestCluster } from '../etcd/etcd-fixture.ts';

export interface DrillFixture {
  readonly store: ObjectStore;
  readonly backup: Backup;
  readonly binaries: Binaries;
  readonly binary: EtcdBinary;
  /** Holds the store (`store`), and may hold more. */
  readonly folder: string;
  /** Hexadecimal. */
  readonly leaseId: string;
  /** Keys when it was taken. */
  readonly keyCount: number;
  /** A file of the backup. */
  file(kind: 'archive' | 'proof' | 'meta'): string;
  /** Writes another proof beside the backup, and gives the backup as a listing would then. */
  forge(change: Partial<BackupProof>): Promise<Backup>;
  close(): Promise<void>;
}

/** A backup of a real cluster that has keys, overwritten and deleted ones, a lease, and a compacted history. */
export async function createDrillFixture(minor: Minor): Promise<DrillFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-drill-'));
  const binaries = await testBinaries();
  const binary = await binaries.ensure(requireRelease(minor));
  const store = openFileStore({
    folder: join(folder, 'store'),
    cluster: 'orders',
    clock: systemClock,
    log: silentLogger,
  });
  const cluster = await createTestCluster(binary);
  try {
    const host = await cluster.newHost('a');
    const member = await cluster.startMember(host, [host], 'new');
    const lease = await cluster.etcdctl(member, 'lease', 'grant', '3600');
    const leaseId = /lease ([0-9a-f]+) granted/.exec(lease)?.[1] ?? '';
    await cluster.etcdctl(member, 'put', 'held', 'by a lease', '--lease', leaseId);
    for (const value of ['first', 'second'])
      for (const key of ['a', 'b', 'c']) await cluster.etcdctl(member, 'put', `key-${key}`, value);
    await cluster.etcdctl(member, 'del', 'key-a');
    await cluster.etcdctl(member, 'compact', '4');
    const credentials = cluster.credentials;
    const etcd = connectEtcd({ endpoints: [member.clientUrl], credentials, clock: systemClock });
    try {
      const { revision, version } = await etcd.status(member.clientUrl);
      const { hash, compactRevision } = await etcd.hashKv(member.clientUrl, revision);
      const keyCount = await etcd.keyCount(member.clientUrl, revision);
      // As in life: something is written between the hash and the snapshot.
      await cluster.etcdctl(member, 'put', 'late', 'value');
      const backup = await takeBackup({
        source: etcd.snapshot(member.clientUrl),
        store,
        clock: systemClock,
        log: silentLogger,
        facts: {
          revision,
          hash,
          compactRevision,
          keyCount,
          clusterId: 'cdf818194e3a8c32',
          source: 'a',
          members: [],
          memberCount: 1,
          etcdVersion: version,
          reason: 'test',
          commit: null,
          run: null,
        },
      });
      const fileOf = (kind: 'archive' | 'proof' | 'meta'): string =>
        join(folder, 'store', 'orders', keysOf(backup.name)[kind]);
      return {
        store,
        backup,
        binaries,
        binary,
        folder,
        leaseId,
        keyCount: keyCount + 1,
        file: fileOf,
        forge: async (change) => {
          const proof = await readProof(store, backup.name);
          if (proof === undefined) throw new Error('the backup has no proof');
          const forged = { ...proof, ...change };
          await writeFile(fileOf('proof'), renderStored(forged));
          return { ...backup, proof: forged };
        },
        close: () => rm(folder, { recursive: true, force: true }),
      };
    } finally {
      etcd.close();
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    await cluster.close();
  }
}
