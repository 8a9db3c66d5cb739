import type { Logger } from '../../base/log.ts';
import type { Sight } from '../../observe/sight.ts';
import type { ClusterSpec } from '../../spec/cluster-spec.ts';

export interface ChoreContext {
  readonly spec: ClusterSpec;
  /** Full commit id of the spec. */
  readonly commit: string;
  readonly sight: Sight;
  /** Folder of the controller. */
  readonly stateDir: string;
  readonly log: Logger;
  /** Aborts when the controller stops, the lease is lost or a newer spec is there. */
  readonly signal: AbortSignal;
}

/** What is done for a cluster from time to time beside its changes. It decides by the store and the clock alone, so a restart neither repeats nor forgets anything. */
export interface Chore {
  readonly name: 'backup' | 'prune' | 'drill';
  /** Does what is due, and gives the milliseconds until it wants to be asked again. Rejects when it could not. */
  run(context: ChoreContext): Promise<number>;
}
