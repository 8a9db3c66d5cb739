import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { describeError, QuorateError, systemErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Binaries } from '../../etcd/binaries.ts';
import { createMutex, type Mutex } from '../mutex.ts';
import { storageError } from '../state-file.ts';
import type {
  Fence,
  LatchedIdentity,
  PreparedRestore,
  PrepareRestoreRequest,
  RestoreFacts,
  StageSnapshotRequest,
} from '../wire.ts';
import { partialMark, type RestorePaths, readPrepared, readStaged, restorePaths } from './folder.ts';
import { type InstallParts, installRestored } from './install.ts';
import { isInPlace, prepareRestore, told } from './prepare.ts';
import { stageSnapshot } from './stage.ts';

/** A restore that nobody has gone on with for this long was given up. */
const staleAfterMs = 86_400_000;
/** A run that lost its connection asks again while the agent is still at it. */
const maxWaiting = 4;

export interface RestoreParts {
  /** `restore/` of the cluster. */
  readonly folder: string;
  readonly dataPath: string;
  readonly binaries: Pick<Binaries, 'ensure'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lifetime: AbortSignal;
}

/**
 * What lies beside the data dir for a restore. Staging and preparing take minutes and touch nothing in use, so they
 * go on beside the commands of the member, one at a time, until a newer run takes over.
 */
export class Restore {
  readonly #parts: RestoreParts;
  readonly #paths: RestorePaths;
  readonly #exclusive: Mutex;
  #newestEpoch = 0;
  #working: { readonly epoch: number; readonly abort: AbortController } | undefined;

  constructor(parts: RestoreParts) {
    this.#parts = parts;
    this.#paths = restorePaths(parts.folder);
    this.#exclusive = createMutex(`work on ${parts.folder}`, maxWaiting);
  }

  /** A command of this epoch was let in: the work of an older run ends. */
  admitted(epoch: number): void {
    this.#newestEpoch = Math.max(this.#newestEpoch, epoch);
    if (this.#working !== undefined && this.#working.epoch < epoch) {
      this.#working.abort.abort(overtaken(this.#working.epoch, epoch));
    }
  }

  stage(fence: Fence, request: StageSnapshotRequest, archive: AsyncIterable<Uint8Array>): Promise<void> {
    const { clock, log } = this.#parts;
    return this.#work(fence, async (signal) => {
      await stageSnapshot(request, archive, { paths: this.#paths, clock, signal });
      log.info({ backup: request.backup }, 'snapshot staged');
    });
  }

  prepare(fence: Fence, request: PrepareRestoreRequest): Promise<PreparedRestore> {
    const { dataPath, binaries, log } = this.#parts;
    return this.#work(fence, async (signal) => {
      const prepared = await prepareRestore(request, { paths: this.#paths, dataPath, binaries, signal });
      log.info({ ...prepared }, 'restore prepared');
      return prepared;
    });
  }

  /** Refused with `busy` rather than wait for minutes: a stop may stand behind it. */
  install(bootstrapId: string, member: Omit<InstallParts, 'paths' | 'dataPath'>): Promise<LatchedIdentity> {
    if (this.#working !== undefined) throw busy(`install the restore ${bootstrapId}`);
    const { dataPath, log } = this.#parts;
    return this.#exclusive(async () => {
      const identity = await installRestored(bootstrapId, { ...member, paths: this.#paths, dataPath });
      log.info({ ...identity }, 'restored data dir is in place');
      return identity;
    });
  }

  /** A few small reads. */
  async facts(): Promise<RestoreFacts> {
    try {
      const staged = await readStaged(this.#paths);
      const prepared = await readPrepared(this.#paths);
      const isPrepared =
        prepared !== undefined && (prepared.isThere || (await isInPlace(prepared, this.#parts.dataPath)));
      return {
        staged: staged === undefined ? null : { backup: staged.backup, dbSizeBytes: staged.dbSizeBytes },
        prepared: isPrepared ? told(prepared) : null,
      };
    } catch (error) {
      throw storageError(error, `look into ${this.#paths.folder}`);
    }
  }

  /** Removes what was given up; never what is younger than a day, nor what is on its way into its place. */
  async removeStale(): Promise<void> {
    if (this.#working !== undefined) return;
    await this.#exclusive(async () => {
      const touchedAtMs = await newestChange(this.#paths.folder);
      if (touchedAtMs === undefined || this.#parts.clock.now() - touchedAtMs < staleAfterMs) return;
      if ((await readPrepared(this.#paths))?.isInstalling === true) return;
      await rm(this.#paths.folder, { recursive: true, force: true });
      this.#parts.log.warn({ folder: this.#paths.folder }, 'a restore that was given up was removed');
    });
  }

  /** Resolves when nothing is being done any more. */
  async idle(): Promise<void> {
    await this.#exclusive(async () => undefined);
  }

  async #work<T>(fence: Fence, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      // It may have waited while a newer run came.
      if (fence.epoch < this.#newestEpoch) throw overtaken(fence.epoch, this.#newestEpoch);
      const abort = new AbortController();
      this.#working = { epoch: fence.epoch, abort };
      const onEnd = (): void => abort.abort(ending());
      this.#parts.lifetime.addEventListener('abort', onEnd, { once: true });
      if (this.#parts.lifetime.aborted) onEnd();
      try {
        await this.#removePartials();
        return await work(abort.signal);
      } finally {
        this.#parts.lifetime.removeEventListener('abort', onEnd);
        await this.#removePartials();
        this.#working = undefined;
      }
    });
  }

  /** What a crash, or a failure just now, has left unfinished. */
  async #removePartials(): Promise<void> {
    const { folder } = this.#paths;
    for (const name of await namesIn(folder)) {
      if (!name.includes(partialMark)) continue;
      await rm(join(folder, name), { recursive: true, force: true, maxRetries: 3 }).catch((error: unknown) => {
        // A tool whose agent was killed may still write there; the next look finds it ended.
        this.#parts.log.warn(
          { path: join(folder, name), err: describeError(error) },
          'a leftover could not be removed',
        );
      });
    }
  }
}

async function newestChange(folder: string): Promise<number | undefined> {
  let newest: number | undefined;
  for (const name of ['.', ...(await namesIn(folder))]) {
    const seen = await stat(join(folder, name)).catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw storageError(error, `look at ${join(folder, name)}`);
    });
    if (seen !== undefined) newest = Math.max(newest ?? 0, seen.mtimeMs);
  }
  return newest;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw storageError(error, `list ${folder}`);
  }
}

function overtaken(epoch: number, newest: number): QuorateError {
  return new QuorateError({
    code: 'stale-epoch',
    kind: 'refused',
    operation: 'make a restore ready',
    summary: `it was begun under epoch ${epoch}, and epoch ${newest} has been seen since: another controller has taken over`,
    remedy: 'Stop this run; the controller that holds the newer epoch goes on.',
  });
}

function ending(): QuorateError {
  return new QuorateError({
    code: 'agent-ending',
    kind: 'transient',
    operation: 'make a restore ready',
    summary: 'the agent ends; what is whole is kept',
  });
}

function busy(operation: string): QuorateError {
  return new QuorateError({
    code: 'busy',
    kind: 'transient',
    operation,
    summary: 'a snapshot is being staged or prepared on this host right now',
    remedy: 'Wait until it is done, then send this again.',
  });
}
