import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type Binaries, createBinaries } from '../etcd/binaries.ts';
import type { ControllerConfig } from './config.ts';

/** The releases of etcd on the controller's host, for drills; what is fetched is kept in the state folder. */
export function openBinaries(
  { binaries, state }: Pick<ControllerConfig, 'binaries' | 'state'>,
  clock: Clock,
  log: Logger,
): Binaries {
  return createBinaries({ ...binaries, cacheDir: join(state, 'binaries'), clock, log });
}
