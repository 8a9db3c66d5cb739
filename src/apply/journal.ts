import { rm } from 'node:fs/promises';
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
  /** Files the journal of a run whose process died, or whose record could not be stored, as it was left. */
  recover(store: ObjectStore): Promise<RunRecord | undefined>;
}

export async function openJournal(stateDir: string, cluster: string): Promise<Journal> {
  const folder = join(stateDir, 'runs');
  const path = join(folder, `${cluster}.json`);
  await ensureFolder(folder);

  async function file(run: RunRecord, store: ObjectStore): Promise<void> {
    // An earlier try may have filed it and died before it removed the journal.
    const { runs } = await listRuns(store, 10);
    const isFiled = runs.some((other) => other.startedAtMs === run.startedAtMs && other.epoch === run.epoch);
    if (!isFiled) await writeRun(store, run);
    await rm(path, { force: true });
  }

  return {
    write: (run) => replaceFile(path, JSON.stringify(run)),
    finish: async (run, store) => {
      await replaceFile(path, JSON.stringify(run));
      await file(run, store);
    },
    recover: async (store) => {
      const text = await readFileIfExists(path);
      if (text === undefined) return undefined;
      const run = JSON.parse(text) as RunRecord;
      await file(run, store);
      return run;
    },
  };
}
