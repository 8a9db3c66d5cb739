import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { listRuns, type RunRecord, writeRun } from '../backup/runs.ts';
import type { ObjectStore } from '../backup/store.ts';
import { ensureFolder, readFileIfExists, replaceFile } from '../base/files.ts';

/** Where a run stands while it is under way; what is left of one that died becomes its record. */
export interface Journal {
  /** Durable before and after each step. */
  write(run: RunRecord): Promise<void>;
  /** Puts the finished record into the store, where it is never rewritten. */
  finish(run: RunRecord, store: ObjectStore): Promise<void>;
}

export async function openJournal(stateDir: string, cluster: string, runId: string): Promise<Journal> {
  const folder = folderOf(stateDir, cluster);
  const path = join(folder, `${runId}.json`);
  await ensureFolder(folder);
  return {
    write: (run) => replaceFile(path, JSON.stringify(run)),
    finish: async (run, store) => {
      await replaceFile(path, JSON.stringify(run));
      await file(path, run, store);
    },
  };
}

/** Files what is left of runs whose process died, or whose record could not be stored. Gives them, oldest first. */
export async function recoverJournals(
  stateDir: string,
  cluster: string,
  store: ObjectStore,
): Promise<readonly RunRecord[]> {
  const folder = folderOf(stateDir, cluster);
  await ensureFolder(folder);
  const left: RunRecord[] = [];
  for (const name of (await readdir(folder)).filter((entry) => entry.endsWith('.json')).toSorted()) {
    const text = await readFileIfExists(join(folder, name));
    if (text === undefined) continue;
    const run = parse(text);
    if (run === undefined) {
      // Written by replacement, so this is a damaged disk; it must not keep the later ones from being filed.
      await rename(join(folder, name), join(folder, `${name}.damaged`));
      continue;
    }
    await file(join(folder, name), run, store);
    left.push(run);
  }
  return left;
}

function parse(text: string): RunRecord | undefined {
  try {
    return JSON.parse(text) as RunRecord;
  } catch {
    return undefined;
  }
}

function folderOf(stateDir: string, cluster: string): string {
  return join(stateDir, 'runs', cluster);
}

async function file(path: string, run: RunRecord, store: ObjectStore): Promise<void> {
  // An earlier try may have filed it and died before it removed the journal.
  const { runs } = await listRuns(store, 10);
  const isFiled = runs.some((other) => other.startedAtMs === run.startedAtMs && other.epoch === run.epoch);
  if (!isFiled) await writeRun(store, run);
  await rm(path, { force: true });
}
