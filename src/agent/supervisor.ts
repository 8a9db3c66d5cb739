import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import { type Claim, claimFile, type LoadedTrust, removeClaim } from './claim.ts';
import type { Mutex } from './mutex.ts';
import type { LaunchSpec, ProcessExit, ProcessIdentity, ProcessRuntime, StopSignal } from './runtime.ts';

/** Everything a start needs, made anew for each one because files may have changed since the last. */
export interface Launch {
  readonly spec: LaunchSpec;
  readonly version: string;
  readonly trust: LoadedTrust;
}

export type RunningProcess = Claim & { readonly identity: ProcessIdentity };

export interface SupervisorOptions {
  readonly runtime: ProcessRuntime;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the agent ends; etcd does not. */
  readonly lifetime: AbortSignal;
  readonly backoff: BackoffOptions;
  readonly claimPath: string;
  /** The argument that no other process has. */
  readonly argument: string;
  /** Keeps restarts apart from commands. */
  readonly exclusive: Mutex;
  /** Undefined: the process must not be started again by itself. */
  readonly relaunch: () => Promise<Launch | undefined>;
  /** Called after every end, wanted or not, before a restart is thought of. */
  readonly onExit: (exit: ProcessExit) => Promise<void>;
  readonly onRestart: () => Promise<void>;
}

/** Keeps one process running: starts, adopts, watches, starts again with back-off, stops. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #backoff: Backoff;
  #process: RunningProcess | undefined;
  #isStopping = false;
  /** The pending restart; a command that starts or stops makes it void. */
  #retry: AbortController | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
  }

  get running(): RunningProcess | undefined {
    return this.#process;
  }

  /** Down, but a restart is on its way. */
  get willRestart(): boolean {
    return this.#retry !== undefined;
  }

  /** Is it there at this moment? Also finds one that runs without a note, left by a crash between start and note. */
  async find(): Promise<RunningProcess | undefined> {
    const { runtime, claimPath, argument } = this.#options;
    if (this.#process !== undefined && (await runtime.isAlive(this.#process.identity))) return this.#process;
    const claim = await claimFile.read(claimPath);
    if (claim !== undefined && claim.identity !== null && (await runtime.isAlive(claim.identity)))
      return this.#adopt({ ...claim, identity: claim.identity });
    const identity = await runtime.find(argument);
    if (identity === undefined) return undefined;
    const described = claim ?? { startedAtMs: this.#options.clock.now(), version: '', trust: { peer: [], client: [] } };
    const found = { ...described, identity };
    await claimFile.write(claimPath, found);
    return this.#adopt(found);
  }

  /** The caller has made sure that nothing runs and holds the mutex. */
  async launch(launch: Launch): Promise<void> {
    const { runtime, clock, claimPath, log } = this.#options;
    const claim = { startedAtMs: clock.now(), version: launch.version, trust: launch.trust };
    await claimFile.write(claimPath, { ...claim, identity: null });
    const identity = await runtime.launch(launch.spec);
    // From here on it runs: whatever fails now, it is watched.
    this.#take({ ...claim, identity });
    log.info({ pid: identity.pid, version: launch.version }, 'etcd started');
    await claimFile.write(claimPath, { ...claim, identity });
  }

  /** Starts it again soon, now that it is down although it should run. */
  scheduleRestart(uptimeMs: number): void {
    this.cancelRestart();
    const retry = new AbortController();
    this.#retry = retry;
    this.#restartLoop(retry, uptimeMs).catch((error: unknown) =>
      this.#complain(error, 'etcd will not be started again'),
    );
  }

  cancelRestart(): void {
    this.#retry?.abort();
    this.#retry = undefined;
  }

  /** A person or the controller takes over: the next crash starts with the shortest delay. */
  resetBackoff(): void {
    this.#backoff.reset();
  }

  /** TERM, then QUIT, whose stacks go to the log, then KILL. Resolves when it is gone. The caller holds the mutex. */
  async stop(graceMs: number): Promise<void> {
    this.cancelRestart();
    const found = await this.find();
    if (found === undefined) return this.#forget();
    this.#isStopping = true;
    try {
      for (const signal of ['SIGTERM', 'SIGQUIT', 'SIGKILL'] as const) {
        if (await this.#ends(found, signal, graceMs)) return await this.#forget();
      }
    } finally {
      this.#isStopping = false;
    }
    throw new QuorateError({
      code: 'stop-failed',
      kind: 'stalled',
      operation: `stop process ${found.identity.pid}`,
      summary: `it is still there ${graceMs} ms after KILL; the kernel cannot end it, most often because a disk does not answer`,
      remedy: 'Look at the disk and at `dmesg` on the host; a restart of the host may be needed.',
    });
  }

  async #ends(found: RunningProcess, signal: StopSignal, graceMs: number): Promise<boolean> {
    const { runtime, clock, lifetime, log } = this.#options;
    if (signal !== 'SIGTERM') log.warn({ pid: found.identity.pid, signal }, 'etcd did not end in time, next signal');
    await runtime.signal(found.identity, signal);
    const deadline = clock.monotonic() + graceMs;
    while (await runtime.isAlive(found.identity)) {
      if (clock.monotonic() >= deadline) return false;
      await clock.sleep(10, lifetime);
    }
    return true;
  }

  async #forget(): Promise<void> {
    this.#process = undefined;
    await removeClaim(this.#options.claimPath);
  }

  #adopt(found: RunningProcess): RunningProcess {
    this.#options.log.info({ pid: found.identity.pid }, 'etcd adopted: it was running already');
    this.#take(found);
    return found;
  }

  #take(taken: RunningProcess): void {
    this.#process = taken;
    this.#watch(taken, this.#options.clock.monotonic()).catch((error: unknown) =>
      this.#complain(error, 'the end of etcd could not be recorded'),
    );
  }

  async #watch(watched: RunningProcess, sinceMs: number): Promise<void> {
    const { runtime, clock, lifetime, log, onExit } = this.#options;
    const exit = await runtime.exited(watched.identity, lifetime);
    const isCurrent = this.#process === watched;
    const isWanted = this.#isStopping || !isCurrent;
    if (isCurrent) this.#process = undefined;
    log[isWanted ? 'info' : 'error']({ pid: watched.identity.pid, ...exit }, 'etcd ended');
    if (!isWanted) this.scheduleRestart(clock.monotonic() - sinceMs);
    await onExit(exit);
  }

  /** What goes wrong in the background because the agent ends is no news. */
  #complain(error: unknown, message: string): void {
    const { lifetime, log } = this.#options;
    if (!lifetime.aborted) log.error({ err: describeError(error) }, message);
  }

  /** Goes on until it runs, is told otherwise, or the agent ends; the back-off bounds how often it tries. */
  async #restartLoop(retry: AbortController, uptimeMs: number): Promise<void> {
    const { clock, lifetime, log, exclusive } = this.#options;
    const signal = AbortSignal.any([retry.signal, lifetime]);
    let delayMs = this.#backoff.next(uptimeMs);
    while (!signal.aborted) {
      try {
        log.info({ delayMs }, 'etcd will be started again');
        await clock.sleep(delayMs, signal);
        await exclusive(() => this.#restartUnless(signal));
        if (this.#retry === retry) this.#retry = undefined;
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: describeError(error) }, 'etcd could not be started again');
        delayMs = this.#backoff.next(0);
      }
    }
  }

  async #restartUnless(signal: AbortSignal): Promise<void> {
    if (signal.aborted || (await this.find()) !== undefined) return;
    const launch = await this.#options.relaunch();
    if (launch === undefined) return;
    await this.#options.onRestart();
    await this.launch(launch);
  }
}
