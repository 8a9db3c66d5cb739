import { QuorateError } from '../base/errors.ts';

/** Runs one piece of work at a time, in the order of asking. */
export type Mutex = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * @param name what is being guarded, for the error
 * @param limit how many may wait; one more is refused with code `busy`
 */
export function createMutex(name: string, limit: number): Mutex {
  let tail: Promise<unknown> = Promise.resolve();
  let pending = 0;
  return async (work) => {
    if (pending > limit) {
      throw new QuorateError({
        code: 'busy',
        kind: 'transient',
        operation: name,
        summary: `${limit} commands are waiting already, so this one was not accepted`,
        remedy: 'Wait until the commands before it are done, then send it again.',
      });
    }
    pending += 1;
    const result = tail.then(work);
    // The next in line waits for the end of this one, whether it went well or not.
    tail = result.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await result;
    } finally {
      pending -= 1;
    }
  };
}
