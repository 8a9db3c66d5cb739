import type { Clock } from '../../../src/base/clock.ts';
import type { Calls } from './calls.ts';

interface Sleeper {
  readonly wakeAtMs: number;
  readonly intervalMs: number;
  readonly wake: () => void;
}

/** Turns of the event loop without a call before time moves on: work in memory is done by then. */
const quietTurns = 2;
/** With nothing to come in the world, a sleeper sleeps this much longer: what it waits for will not be there earlier. */
const oversleep = 20;

/** What the clock of a process needs to know of its world. */
export interface Time {
  readonly nowMs: number;
  /** When something happens by itself next. */
  nextEventMs(): number | undefined;
  advanceTo(ms: number): void;
}

/** Virtual time: it moves when everybody sleeps, to the next thing that happens. No real time passes. */
export function processClock(time: Time, calls: Calls): Clock {
  const sleepers = new Set<Sleeper>();
  let isTicking = false;
  let quiet = 0;
  let seen = 0;

  function tick(): void {
    if (calls.isDead || sleepers.size === 0) {
      isTicking = false;
      return;
    }
    const activity = calls.names.length + sleepers.size;
    quiet = calls.underWay === 0 && activity === seen ? quiet + 1 : 0;
    seen = activity;
    if (quiet >= quietTurns) {
      quiet = 0;
      wakeNext();
    }
    setImmediate(tick);
  }

  function wakeNext(): void {
    const [first] = [...sleepers].toSorted((a, b) => a.wakeAtMs - b.wakeAtMs);
    if (first === undefined) return;
    const longest = first.wakeAtMs + first.intervalMs * oversleep;
    time.advanceTo(Math.max(first.wakeAtMs, Math.min(time.nextEventMs() ?? longest, longest)));
    for (const sleeper of sleepers) {
      if (sleeper.wakeAtMs > time.nowMs) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  return {
    now: () => time.nowMs,
    monotonic: () => time.nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(asError(signal.reason));
          return;
        }
        const onAbort = (): void => {
          sleepers.delete(sleeper);
          reject(asError(signal?.reason));
        };
        const sleeper: Sleeper = {
          wakeAtMs: time.nowMs + ms,
          intervalMs: ms,
          wake: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.add(sleeper);
        if (isTicking) return;
        isTicking = true;
        setImmediate(tick);
      }),
  };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
