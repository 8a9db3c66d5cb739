import { electionTimeoutMs } from '../etcd/flags.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';

/** Milliseconds between TERM, QUIT and KILL: long enough to hand leadership over. */
export function stopGraceMs(spec: ClusterSpec): number {
  return 5_000 + 2 * electionTimeoutMs(spec);
}
