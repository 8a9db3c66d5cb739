import { takeClusterBackup } from '../../../src/apply/take-backup.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { observe } from '../../../src/observe/observe.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { ModelController, nextLease } from './controller.ts';
import type { ModelWorld } from './world.ts';

/** As somebody takes one by hand. Gives its name. */
export async function takeModelBackup(world: ModelWorld, spec: ClusterSpec, stateDir: string): Promise<string> {
  const { sight } = new ModelController(world, nextLease(world), { stateDir });
  const { name } = await takeClusterBackup({
    cluster: spec.name,
    live: await observe(spec, sight),
    sight,
    reason: 'on-demand',
    commit: null,
    runId: null,
    log: silentLogger,
    progress: () => undefined,
  });
  return name;
}
