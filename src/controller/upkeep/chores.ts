import type { Binaries } from '../../etcd/binaries.ts';
import { backupChore } from './backup-chore.ts';
import type { Chore } from './chore.ts';
import { createDrillChore } from './drill-chore.ts';
import { pruneChore } from './prune-chore.ts';

/** What a controller does for each cluster from time to time, in this order; make the list once for a process. */
export function createChores(binaries: Binaries): readonly Chore[] {
  return [backupChore, pruneChore, createDrillChore({ binaries })];
}
