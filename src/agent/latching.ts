import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { waitUntil } from '../base/wait.ts';
import { type DataDir, inspectDataDir } from './data-dir.ts';
import type { Latch } from './latch.ts';
import type { MemberRecordStore } from './member-record.ts';
import { createMutex, type Mutex } from './mutex.ts';
import type { WalIdentity } from './wal.ts';
import type { LatchedIdentity } from './wire.ts';

/** etcd writes its identity within milliseconds of a first start; facts look again later. */
const latchWait = { timeoutMs: 30_000, intervalMs: 100 };
/** Facts of several readers at once; each look takes a millisecond. */
const maxWaiting = 100;

export interface LatchingParts {
  readonly dataPath: string;
  readonly latch: Latch;
  readonly record: MemberRecordStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lifetime: AbortSignal;
}

/** Looks at a member's data and remembers the identity that it shows. */
export class Latching {
  readonly #parts: LatchingParts;
  readonly #exclusive: Mutex;

  constructor(parts: LatchingParts) {
    this.#parts = parts;
    this.#exclusive = createMutex(`look at ${parts.dataPath}`, maxWaiting);
  }

  /** Gives what is there; latched, durably, when it is the data of a member that was started by us. */
  look(): Promise<DataDir> {
    const { dataPath, latch, record, clock } = this.#parts;
    return this.#exclusive(async () => {
      const data = await inspectDataDir(dataPath);
      const { request, isFresh } = record.current;
      if (data.identity === undefined || request === null) return data;
      const bootstrapId = isFresh && request.join?.state === 'new' ? request.join.bootstrapId : undefined;
      await latch.record(data.identity, bootstrapId, clock.now());
      if (isFresh) await record.update({ isFresh: false });
      return data;
    });
  }

  /** Remembers what a restore has put in place; a look that began before cannot write over it. */
  remember(identity: WalIdentity, bootstrapId: string): Promise<LatchedIdentity> {
    const { latch, clock } = this.#parts;
    return this.#exclusive(() => latch.record(identity, bootstrapId, clock.now()));
  }

  /** After a start: looks until the identity shows, in the background. */
  lookSoon(): void {
    const { clock, lifetime, log } = this.#parts;
    const look = async (): Promise<true | undefined> => ((await this.look()).identity === undefined ? undefined : true);
    waitUntil(clock, { ...latchWait, signal: lifetime }, look).catch((error: unknown) => {
      if (!lifetime.aborted) log.error({ err: describeError(error) }, 'the identity could not be latched');
    });
  }

  /** What a first start left behind that ended before etcd had initialised the data dir: it holds nothing. */
  isUnfinished(data: DataDir): boolean {
    return this.#parts.record.current.isFresh && data.isPresent && !data.isInitialised;
  }
}
