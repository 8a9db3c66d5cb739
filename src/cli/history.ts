import { listRuns } from '../backup/runs.ts';
import { renderRuns } from '../report/run-text.ts';
import { desiredAt, selectOne, withWorld } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export interface HistoryOptions {
  readonly config?: string;
  readonly cluster?: string;
  readonly format: 'text' | 'json';
  readonly limit: number;
}

/** `quorate history`: what was done, when, by whom, at which commit. Newest first. */
export async function historyCommand(options: HistoryOptions, terminal: Terminal): Promise<number> {
  return withWorld(options.config, async (world) => {
    const { spec } = selectOne(await desiredAt(world, undefined), options.cluster);
    const { runs, diagnostics } = await listRuns((await world.sight(spec)).store, options.limit);
    terminal.out(options.format === 'json' ? `${JSON.stringify({ runs }, undefined, 2)}\n` : renderRuns(runs));
    for (const diagnostic of diagnostics) terminal.err(`${diagnostic.summary} ${diagnostic.detail}\n`);
    return exitCodes.done;
  });
}
