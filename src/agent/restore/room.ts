import { statfs } from 'node:fs/promises';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import { storageError } from '../state-file.ts';

const mib = 1024 * 1024;
const largestReserve = 1024 * mib;

/**
 * Refuses (`disk-full`) what would leave the disk with less than a tenth of it, at most 1 GiB: the member that
 * runs beside it writes to the same disk, and etcd ends when that is full.
 */
export async function requireRoom(folder: string, neededBytes: number, operation: string): Promise<void> {
  const stats = await statfs(folder);
  const freeBytes = stats.bavail * stats.bsize;
  const reserveBytes = Math.min(largestReserve, Math.floor((stats.blocks * stats.bsize) / 10));
  if (freeBytes - neededBytes >= reserveBytes) return;
  throw diskFull(
    operation,
    `it takes ${inMib(neededBytes)} more and ${inMib(reserveBytes)} are kept free for etcd, but the disk of ${folder} has ${inMib(freeBytes)} left`,
  );
}

export function diskFull(operation: string, summary: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'disk-full',
    kind: 'stalled',
    operation,
    summary,
    remedy:
      'Make room on the disk of the data dir, or restore to a host with a larger one; nothing in use was changed.',
    cause,
  });
}

/** Trouble with the disk of a restore: `disk-full` or `storage-failed`; what has a code keeps it. */
export function restoreStorageError(error: unknown, operation: string): QuorateError {
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(operation, 'the disk of the data dir is full', error);
  return storageError(error, operation);
}

function inMib(bytes: number): string {
  return `${Math.ceil(bytes / mib)} MiB`;
}
