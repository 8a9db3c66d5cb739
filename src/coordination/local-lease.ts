import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, describeError, QuorateError } from '../base/errors.ts';
import { ensureFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import type { Coordination, Lease, LeaseHolder } from './coordination.ts';
import { type FileLock, tryLockFile } from './file-lock.ts';
import { describeHolder, type LeaseRecord, readLeaseRecord, writeLeaseRecord } from './lease-record.ts';

export interface LocalCoordinationOptions {
  /** Holds `lease.lock` and `lease.json`; made when missing. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What all leases of this process on one state folder share. */
interface Hold {
  readonly lock: FileLock;
  readonly sinceMs: number;
  readonly leases: Map<string, AbortController>;
  /** Ends the watch over the lock file. */
  readonly ended: AbortController;
}

const checkIntervalMs = 1000;

/**
 * Leases for one controller at a time per state folder. The kernel keeps the lock, so that it is free as
 * soon as the holder is dead, and no clock decides about it. Clusters share the lock; each lease gets its
 * own fencing epoch: one more than the folder's last, at least the wall clock in milliseconds, so that it
 * also grows when the folder was lost. Two instances in one process exclude each other like processes do.
 *
 * Errors of `tryAcquire`: `flock-missing`, `lease-unusable` (stalled), `lock-failed`, `lease-unwritable` (transient).
 */
export function openLocalCoordination({ stateDir, clock, log }: LocalCoordinationOptions): Coordination {
  const lockPath = join(stateDir, 'lease.lock');
  const recordPath = join(stateDir, 'lease.json');
  let hold: Hold | undefined;
  // One at a time: two first leases must not race for the lock, nor a release with an acquire.
  let queue: Promise<unknown> = Promise.resolve();

  async function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(work, work);
    queue = turn.catch(() => undefined);
    return turn;
  }

  async function acquire(cluster: string, purpose: string): Promise<Lease | LeaseHolder> {
    try {
      await ensureFolder(stateDir);
      if (hold !== undefined && !(await hold.lock.isInForce())) await lose(hold);
      if (hold?.leases.has(cluster) === true) return { held: false, holder: await holderText() };
      const taken = hold ?? (await takeHold());
      if (taken === undefined) return { held: false, holder: await holderText() };
      try {
        const epoch = await nextEpoch(purpose, taken.sinceMs);
        return grant(taken, cluster, epoch);
      } finally {
        await dropIfUnused(taken);
      }
    } catch (error) {
      throw asQuorateError(error, {
        code: 'lease-unwritable',
        kind: 'transient',
        operation: `take the lease of cluster ${cluster} in ${stateDir}`,
        remedy: 'The state folder has to be writable by this user, and its disk must not be full.',
      });
    }
  }

  async function takeHold(): Promise<Hold | undefined> {
    const lock = await tryLockFile(lockPath);
    if (lock === undefined) return undefined;
    hold = { lock, sinceMs: clock.now(), leases: new Map(), ended: new AbortController() };
    watchLock(hold).catch((error: unknown) =>
      log.error({ error: describeError(error) }, 'the lease lock is not checked'),
    );
    return hold;
  }

  /** Written and synced before the lease is given out: no later holder gets the same epoch. */
  async function nextEpoch(purpose: string, acquiredAtMs: number): Promise<number> {
    const previous = await readLeaseRecord(recordPath);
    const epoch = Math.max((previous?.epoch ?? 0) + 1, Math.trunc(clock.now()));
    if (!Number.isSafeInteger(epoch))
      throw new QuorateError({
        code: 'lease-unusable',
        kind: 'stalled',
        operation: `read ${recordPath}`,
        summary: `no epoch can follow ${previous?.epoch}`,
        remedy: `The file was damaged. Stop the controller, remove ${recordPath}, start it again.`,
      });
    const record: LeaseRecord = { pid: process.pid, host: hostname(), purpose: oneLine(purpose), acquiredAtMs, epoch };
    await writeLeaseRecord(recordPath, record);
    return epoch;
  }

  function grant(taken: Hold, cluster: string, epoch: number): Lease {
    const lost = new AbortController();
    taken.leases.set(cluster, lost);
    log.debug({ cluster, epoch }, 'lease taken');
    return {
      held: true,
      epoch,
      lost: lost.signal,
      release: () =>
        inOrder(async () => {
          // A second release, or one after a loss, must not end the lease of somebody who came later.
          if (taken.leases.get(cluster) !== lost) return;
          taken.leases.delete(cluster);
          await dropIfUnused(taken);
        }),
    };
  }

  async function dropIfUnused(taken: Hold): Promise<void> {
    if (taken.leases.size > 0 || taken.ended.signal.aborted) return;
    if (hold === taken) hold = undefined;
    taken.ended.abort();
    await taken.lock.release();
  }

  async function lose(taken: Hold): Promise<void> {
    const lost = [...taken.leases];
    taken.leases.clear();
    for (const [cluster, controller] of lost) {
      log.error({ cluster, lockPath }, 'lease lost: the lock file was removed or replaced');
      controller.abort(
        new QuorateError({
          code: 'lease-lost',
          kind: 'transient',
          operation: `hold the lease of cluster ${cluster}`,
          summary: `${lockPath} was removed or replaced, so that another process may act on the cluster`,
          remedy: 'Leave the state folder alone while a controller runs.',
        }),
      );
    }
    await dropIfUnused(taken);
  }

  /** The lock itself cannot get lost while we live, but its file can be taken away from under it. */
  async function watchLock(taken: Hold): Promise<void> {
    while (!taken.ended.signal.aborted) {
      try {
        await clock.sleep(checkIntervalMs, taken.ended.signal);
        await inOrder(async () => {
          if (!taken.ended.signal.aborted && !(await taken.lock.isInForce())) await lose(taken);
        });
      } catch (error) {
        if (!taken.ended.signal.aborted) log.warn({ error: describeError(error) }, 'the lease lock cannot be checked');
      }
    }
  }

  async function holderText(): Promise<string> {
    return describeHolder(await readLeaseRecord(recordPath));
  }

  return { tryAcquire: (cluster, purpose) => inOrder(() => acquire(cluster, purpose)) };
}

function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 200);
}
