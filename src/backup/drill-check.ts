import { QuorateError } from '../base/errors.ts';
import type { EtcdApi } from '../etcd/api.ts';
import type { Backup } from './store.ts';

export interface DrillFindings {
  /** Keys and HashKV at `revision`; null where that revision is compacted in the backup. */
  readonly keyCount: number | null;
  readonly revision: number;
  readonly hash: number | null;
  readonly hashCompared: boolean;
  /** What differs from the proof, one clause each; empty: nothing. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Compares a running, restored backup with its proof. Snapshots are taken a moment after the proof's revision, so
 * the backup may hold more; what it holds at that revision must be the same. Without a proof it is enough that it
 * can be counted and hashed.
 */
export async function checkScratch(
  { etcd, clientUrl }: { readonly etcd: EtcdApi; readonly clientUrl: string },
  { proof, etcdVersion }: Pick<Backup, 'proof' | 'etcdVersion'>,
  usedVersion: string,
): Promise<DrillFindings> {
  const { revision: lastRevision } = await etcd.status(clientUrl);
  if (proof === undefined) {
    const keyCount = await etcd.keyCount(clientUrl, 0);
    const { hash } = await etcd.hashKv(clientUrl, 0);
    const notes = ['the backup has no proof: it was restored and read, and there was nothing to compare it with'];
    return { keyCount, revision: lastRevision, hash, hashCompared: false, problems: [], notes };
  }
  const { revision } = proof;
  if (lastRevision < revision) {
    const problem = `it ends at revision ${lastRevision}, and held ${revision} when it was taken`;
    return { keyCount: null, revision: lastRevision, hash: null, hashCompared: false, problems: [problem], notes: [] };
  }
  const problems: string[] = [];
  const notes: string[] = [];
  const keyCount = await unlessCompacted(() => etcd.keyCount(clientUrl, revision));
  if (keyCount === null)
    notes.push(`revision ${revision} was compacted before the snapshot: keys could not be counted`);
  else if (proof.keyCount === undefined) notes.push('the proof has no number of keys to compare with');
  else if (keyCount !== proof.keyCount)
    problems.push(`it has ${keyCount} keys at revision ${revision}, and had ${proof.keyCount} when it was taken`);
  const seen = await unlessCompacted(() => etcd.hashKv(clientUrl, revision));
  const hash = seen?.hash ?? null;
  const obstacle = hashObstacle(seen?.compactRevision, proof.compactRevision, usedVersion === etcdVersion);
  if (obstacle !== undefined) notes.push(`the hash could not be compared: ${obstacle}`);
  else if (hash !== proof.hash)
    problems.push(`its HashKV at revision ${revision} is ${hash}, and was ${proof.hash} when it was taken`);
  return { keyCount, revision, hash, hashCompared: obstacle === undefined, problems, notes };
}

/** Why two hashes of the same keys may differ; undefined when they must not. */
function hashObstacle(seen: number | undefined, proven: number | undefined, sameRelease: boolean): string | undefined {
  if (proven === undefined) return 'the proof does not say what it was computed over';
  if (seen === undefined) return 'its revision was compacted before the snapshot';
  if (seen !== proven) return `the backup is compacted up to ${seen}, and was up to ${proven} when it was hashed`;
  // Patch releases have changed which records count at the compacted revision.
  return sameRelease ? undefined : 'another release may compute it in another way';
}

async function unlessCompacted<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'revision-compacted') return null;
    throw error;
  }
}
