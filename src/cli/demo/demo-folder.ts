import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { QuorateError } from '../../base/errors.ts';
import { endFleet } from './fleet-processes.ts';

const prefix = 'quorate-demo-';

/** A new, empty folder in the temp folder, 0700, for one throw-away fleet. */
export async function makeDemoFolder(): Promise<string> {
  return realpath(await mkdtemp(join(tmpdir(), prefix)));
}

/**
 * Ends everything that runs in a folder of `makeDemoFolder` and removes it. A folder that is gone is no
 * error; one of another name is refused (`not-a-demo`) before anything is touched.
 */
export async function removeDemoFolder(path: string, clock: Clock): Promise<void> {
  const folder = resolve(path);
  if (!new RegExp(`^${prefix}[A-Za-z0-9]{6}$`).test(basename(folder))) {
    throw new QuorateError({
      code: 'not-a-demo',
      kind: 'refused',
      operation: `remove ${folder}`,
      summary: `\`quorate demo\` names its folders ${prefix}…, so this one stays, and so does what runs in it`,
    });
  }
  await endFleet(folder, clock);
  await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
