import { QuorateError } from '../../base/errors.ts';
import type { StepModule } from '../step-module.ts';
import { takeClusterBackup } from '../take-backup.ts';

/** Takes a backup and verifies it in the store. Without it, the guard lets no change of this run through. */
export const backup: StepModule = {
  timeoutMs: 10_000,

  async act(step, context) {
    const taken = await takeClusterBackup({
      cluster: context.spec.name,
      live: context.live,
      sight: context.sight,
      source: step.target,
      reason: step.reason,
      commit: context.commit,
      runId: context.runId,
      log: context.log,
      progress: context.transfer,
      signal: context.signal,
    });
    // The catalog lists whole backups only: what it does not show does not count.
    const listed = (await context.sight.catalog.list()).backups.find((candidate) => candidate.name === taken.name);
    if (listed?.proof === undefined) {
      throw new QuorateError({
        code: 'backup-failed',
        kind: 'transient',
        operation: `back up ${context.spec.name}`,
        summary: `backup ${taken.name} was written but the store does not list it with its proof`,
        remedy: 'Look at the store with `quorate backup list`; nothing is changed without a backup.',
      });
    }
    context.backedUp({ name: listed.name, clusterId: listed.proof.clusterId });
  },

  missing: () => undefined,
};
