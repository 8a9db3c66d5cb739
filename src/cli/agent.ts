import { loadAgentConfig } from '../agent/config.ts';
import { startAgent } from '../agent/daemon.ts';
import { systemClock } from '../base/clock.ts';
import { openLog } from '../controller/log.ts';
import { userCacheDir } from '../etcd/binaries/cache-dir.ts';
import { createBinaries } from '../etcd/binaries.ts';
import { exitCodes } from './exit-codes.ts';
import { stopSignal } from './stop-signal.ts';

/** `quorate agent`: serves one host until it is told to stop. etcd keeps running after it. */
export async function agentCommand(options: { config: string }): Promise<number> {
  const config = await loadAgentConfig(options.config);
  const log = openLog(config.log.level).child({ host: config.name });
  const cacheDir = config.binaries.cache ?? (await userCacheDir(process.env));
  const binaries = createBinaries({ ...config.binaries, cacheDir, clock: systemClock, log });
  const stop = stopSignal();
  const agent = await startAgent({ config, binaries, clock: systemClock, log });
  log.info({ url: agent.url, pid: process.pid }, 'agent serves');
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
  await agent.close();
  log.info({}, 'agent has stopped; etcd keeps running');
  return exitCodes.done;
}
