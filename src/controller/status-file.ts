import { join } from 'node:path';
import { ensureFolder, readFileIfExists, replaceFile } from '../base/files.ts';
import type { PassResult } from './cluster-loop.ts';
import type { World } from './world.ts';

/** What only the controller's own loop knows of a cluster, left for `quorate status`. */
export interface LoopStatus {
  readonly result: PassResult['type'];
  readonly atMs: number;
  readonly error: { readonly code: string; readonly summary: string; readonly remedy?: string | undefined } | null;
}

const written = new Map<string, string>();

/** Written when it differs from the last one, so that an idle controller writes nothing. */
export async function writeStatusFile(world: World, cluster: string, result: PassResult): Promise<void> {
  const failure =
    result.type === 'error' ? result.error : result.type === 'pass' ? result.pass.outcome?.error : undefined;
  const status: Omit<LoopStatus, 'atMs'> = {
    result: result.type,
    error: failure === undefined ? null : { code: failure.code, summary: failure.message, remedy: failure.remedy },
  };
  const folder = join(world.config.state, 'status');
  const path = join(folder, `${cluster}.json`);
  const text = JSON.stringify(status);
  if (written.get(path) === text) return;
  await ensureFolder(folder);
  await replaceFile(path, JSON.stringify({ ...status, atMs: world.clock.now() }));
  written.set(path, text);
}

export async function readStatusFile(stateDir: string, cluster: string): Promise<LoopStatus | undefined> {
  const text = await readFileIfExists(join(stateDir, 'status', `${cluster}.json`));
  return text === undefined ? undefined : (JSON.parse(text) as LoopStatus);
}
