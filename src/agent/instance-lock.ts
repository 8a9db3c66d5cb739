import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { QuorateError } from '../base/errors.ts';
import { identify, isSameProcess } from './procfs.ts';
import type { ProcessIdentity } from './runtime.ts';
import { type StateFile, stateFile } from './state-file.ts';

const lockFile: StateFile<ProcessIdentity> = stateFile<ProcessIdentity>({
  type: 'object',
  additionalProperties: false,
  required: ['pid', 'startTicks', 'bootId'],
  properties: { pid: { type: 'integer' }, startTicks: { type: 'integer' }, bootId: { type: 'string' } },
});

/**
 * Two agents on one data dir would start and stop the same members against each other. The claim of a dead
 * agent counts for nothing. Gives what releases it; throws `data-dir-in-use`.
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const path = join(dataDir, 'agent.json');
  const holder = await lockFile.read(path);
  const alive = holder === undefined ? undefined : identify(holder.pid);
  if (holder !== undefined && alive !== undefined && isSameProcess(holder, alive)) {
    throw new QuorateError({
      code: 'data-dir-in-use',
      kind: 'stalled',
      operation: `start an agent on ${dataDir}`,
      summary: `process ${holder.pid} is an agent on the same data dir`,
      remedy: 'Give every agent a data dir of its own, or stop the other one.',
    });
  }
  const self = identify(process.pid);
  if (self !== undefined) await lockFile.write(path, self);
  return async () => {
    await rm(path, { force: true });
  };
}
