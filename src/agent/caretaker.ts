import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

/** Something that has to be looked after now and then. */
export interface Chore {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<void>;
}

/** Does each chore at its interval until the agent ends; one that fails is logged and tried again next time. */
export function startChores(chores: readonly Chore[], clock: Clock, log: Logger, lifetime: AbortSignal): Promise<void> {
  return Promise.all(chores.map((chore) => repeat(chore, clock, log, lifetime))).then(() => undefined);
}

async function repeat(chore: Chore, clock: Clock, log: Logger, lifetime: AbortSignal): Promise<void> {
  while (!lifetime.aborted) {
    try {
      await chore.run();
    } catch (error) {
      log.error({ chore: chore.name, err: describeError(error) }, 'a chore failed');
    }
    try {
      await clock.sleep(chore.everyMs, lifetime);
    } catch {
      // Only the end of the agent wakes it early.
      return;
    }
  }
}
