import type { PassResult } from '../controller/cluster-loop.ts';
import { loadControllerConfig } from '../controller/config.ts';
import { runController, runOnce } from '../controller/controller.ts';
import { openLog } from '../controller/log.ts';
import { openWorld, type World } from '../controller/world.ts';
import { configPath } from './context.ts';
import { exitCodeOf, exitCodes, worst } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';
import { errorText, type Terminal } from './terminal.ts';

async function openController(path: string | undefined): Promise<World> {
  const config = await loadControllerConfig(configPath(path));
  return openWorld(config, openLog(config.log.level));
}

/** `quorate controller`: runs until it is told to stop; with `--once`, until nothing is left to do. */
export async function controllerCommand(
  options: { config?: string; once?: boolean },
  terminal: Terminal,
): Promise<number> {
  const world = await openController(options.config);
  try {
    world.log.info(
      { repository: world.repository.name, ref: world.repository.ref, pid: process.pid },
      'controller starts',
    );
    if (world.config.http !== undefined)
      world.log.warn({}, 'http.listen is set, but this release serves no status page');
    if (options.once !== true) {
      await runController(world, stopSignal());
      world.log.info({}, 'controller has stopped; etcd keeps running');
      return exitCodes.done;
    }
    const results = await runOnce(world, stopSignal());
    return worst([...results].map(([cluster, result]) => report(cluster, result, terminal)));
  } finally {
    await world.close();
  }
}

/** One line for each cluster, and the exit code that it stands for. */
function report(cluster: string, result: PassResult, terminal: Terminal): number {
  switch (result.type) {
    case 'held':
      terminal.err(`${cluster}: another run holds the lease: ${result.holder}\n`);
      return exitCodes.held;
    case 'error':
      terminal.err(errorText(result.error));
      return exitCodeOf(result.error);
    case 'orphaned':
      terminal.out(`${cluster}: orphaned; its file is gone, it keeps running untouched\n`);
      return exitCodes.done;
    case 'no-spec':
      terminal.err(`${cluster}: no spec that could be read\n`);
      return exitCodes.invalidInput;
    case 'fighting':
      terminal.err(`${cluster}: the same correction was needed three times; somebody works against it\n`);
      return exitCodes.error;
    case 'pass':
      return reportPass(cluster, result, terminal);
  }
}

function reportPass(cluster: string, { pass }: Extract<PassResult, { type: 'pass' }>, terminal: Terminal): number {
  const { plan, outcome } = pass;
  if (outcome?.error !== undefined) {
    terminal.err(errorText(outcome.error));
    return exitCodeOf(outcome.error);
  }
  for (const refusal of plan.refusals)
    terminal.err(`${cluster}: refused [${refusal.code}]: ${refusal.detail}\n  What to do: ${refusal.remedy}\n`);
  if (plan.refusals.length > 0) return exitCodes.refused;
  for (const wait of plan.waits) terminal.err(`${cluster}: waiting [${wait.code}]: ${wait.detail}\n`);
  if (plan.waits.length > 0) return exitCodes.error;
  terminal.out(`${cluster}: as declared in ${plan.commit.slice(0, 12)}\n`);
  return exitCodes.done;
}
