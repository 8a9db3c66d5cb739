import { QuorateError } from '../base/errors.ts';
import type { Binaries, EtcdBinary } from '../etcd/binaries.ts';
import { compareVersions, minorOf } from '../etcd/releases.ts';
import type { Backup } from './store.ts';

/**
 * The release to read a backup with: the very one that wrote it, else the newest patch of the same minor at hand.
 * Rejects with `binary-unavailable`, `backup-version-unknown`, or the signal's reason.
 */
export async function releaseForBackup(
  binaries: Binaries,
  { name, etcdVersion }: Pick<Backup, 'name' | 'etcdVersion'>,
  signal?: AbortSignal,
): Promise<EtcdBinary> {
  if (!/^\d{1,4}\.\d{1,4}\.\d{1,4}(-[a-z0-9.]{1,20})?$/.test(etcdVersion))
    throw new QuorateError({
      code: 'backup-version-unknown',
      kind: 'stalled',
      operation: `choose a release of etcd for the backup ${name}`,
      summary: `its meta says that ${JSON.stringify(etcdVersion)} wrote it, which is no release of etcd`,
      remedy: 'Name the release with --version.',
    });
  try {
    return await binaries.ensure(etcdVersion, signal);
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'binary-unavailable') throw error;
    const sibling = (await binaries.list())
      .map(({ version }) => version)
      .filter((version) => minorOf(version) === minorOf(etcdVersion))
      .toSorted(compareVersions)
      .at(-1);
    if (sibling === undefined) throw error;
    return await binaries.ensure(sibling, signal);
  }
}
