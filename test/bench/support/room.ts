import { statfs } from 'node:fs/promises';
import { formatSize } from '../../../src/base/size.ts';

/** Rejects when less is free on the disk of a folder: a full disk in the middle tells nothing. */
export async function checkRoom(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= neededBytes) return;
  throw new Error(`${folder} has ${formatSize(bavail * bsize)} free, ${formatSize(neededBytes)} are needed`);
}
