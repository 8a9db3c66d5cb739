import { startAgent } from '../../../src/agent/daemon.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { testBinaries } from '../../support/binaries.ts';

/** An agent in a process of its own, so that a test can kill it. Takes its settings, sends its URL. */
process.once(
  'message',
  (message: {
    readonly name: string;
    readonly dataDir: string;
    readonly identity: { ca: string; cert: string; key: string };
  }) => {
    const run = async (): Promise<void> => {
      const agent = await startAgent({
        config: { ...message, listen: { host: '127.0.0.1', port: 0 }, archives: { keepDays: 30, minFreeBytes: 0 } },
        binaries: await testBinaries(),
        clock: systemClock,
        log: silentLogger,
      });
      process.send?.({ url: agent.url });
    };
    run().catch((error: unknown) => {
      process.send?.({ error: String(error) });
      process.exitCode = 1;
    });
  },
);
