import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import { ensureFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import type { Binaries } from '../etcd/binaries.ts';
import { archiveFolder } from './archives.ts';
import type { BackoffOptions } from './backoff.ts';
import { checkFlags, dataDirArgument, etcdArguments } from './command-line.ts';
import { inspectDataDir } from './data-dir.ts';
import { EpochFence } from './fence.ts';
import { Latch } from './latch.ts';
import { Latching } from './latching.ts';
import { type RotationOptions, readLastLines, rotateLog } from './log-file.ts';
import { MemberRecordStore } from './member-record.ts';
import { createMutex, type Mutex } from './mutex.ts';
import { archivesFolder, type MemberPaths, memberPaths } from './paths.ts';
import { exitFacts, exitReadLines, processFacts } from './process-facts.ts';
import { Restore } from './restore/restore.ts';
import type { ProcessExit, ProcessRuntime } from './runtime.ts';
import { decideJoin, requireSameStart, stillRunning } from './start-rules.ts';
import { storageError } from './state-file.ts';
import { type Launch, Supervisor } from './supervisor.ts';
import { TlsFolder } from './tls-folder.ts';
import type {
  ArchiveRequest,
  Fence,
  JoinMode,
  LatchedIdentity,
  MemberFacts,
  ProcessFacts,
  StartRequest,
  StopRequest,
} from './wire.ts';

export interface MemberContext {
  /** Root of everything that the agent keeps; absolute, without links. */
  readonly dataDir: string;
  readonly runtime: ProcessRuntime;
  readonly binaries: Pick<Binaries, 'ensure'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the agent ends. */
  readonly lifetime: AbortSignal;
  readonly backoff: BackoffOptions;
}

/** A controller sends one command at a time; a few may pile up when it is replaced. */
const maxWaitingCommands = 16;

/** One cluster's member on this host: its process, data, certificates and memory of itself. */
export class Member {
  readonly cluster: string;
  readonly tls: TlsFolder;
  readonly restore: Restore;
  readonly #paths: MemberPaths;
  readonly #context: MemberContext;
  readonly #log: Logger;
  readonly #fence: EpochFence;
  readonly #latch: Latch;
  readonly #record: MemberRecordStore;
  readonly #exclusive: Mutex;
  readonly #latching: Latching;
  readonly #supervisor: Supervisor;

  private constructor(
    cluster: string,
    context: MemberContext,
    state: { paths: MemberPaths; fence: EpochFence; latch: Latch; record: MemberRecordStore },
  ) {
    this.cluster = cluster;
    this.#context = context;
    this.#paths = state.paths;
    this.#fence = state.fence;
    this.#latch = state.latch;
    this.#record = state.record;
    this.#log = context.log.child({ cluster });
    this.tls = new TlsFolder(state.paths.tls, context.clock);
    const { restore: folder, data: dataPath } = state.paths;
    this.restore = new Restore({ ...context, log: this.#log, folder, dataPath });
    this.#exclusive = createMutex(`command for cluster ${cluster}`, maxWaitingCommands);
    this.#latching = new Latching({ ...context, ...state, log: this.#log, dataPath });
    this.#supervisor = new Supervisor({
      ...context,
      log: this.#log,
      claimPath: state.paths.pidFile,
      argument: dataDirArgument(state.paths),
      exclusive: this.#exclusive,
      relaunch: () => this.#relaunch(),
      onExit: (exit) => this.#recordExit(exit),
      onRestart: () => this.#record.update({ restarts: this.#record.current.restarts + 1 }),
    });
  }

  /** Makes the folders when they are not there. Throws `state-unreadable` rather than forget what it should know. */
  static async load(cluster: string, context: MemberContext): Promise<Member> {
    const paths = memberPaths(context.dataDir, cluster);
    try {
      for (const folder of [paths.root, paths.tls, paths.logs]) await ensureFolder(folder);
    } catch (error) {
      throw storageError(error, `make the folders of cluster ${cluster}`);
    }
    return new Member(cluster, context, {
      paths,
      fence: await EpochFence.load(paths.fenceFile, cluster),
      latch: await Latch.load(paths.latchFile),
      record: await MemberRecordStore.load(paths.memberFile),
    });
  }

  /** Runs a command by itself, after the fence has let it in. */
  command<T>(fence: Fence, work: () => Promise<T>): Promise<T> {
    return this.#exclusive(async () => {
      await this.#fence.admit(fence);
      this.restore.admitted(fence.epoch);
      return work();
    });
  }

  /** Work beside the member's commands, which do not wait for it, after the fence has let it in. */
  async aside<T>(fence: Fence, work: () => Promise<T>): Promise<T> {
    await this.command(fence, async () => undefined);
    return work();
  }

  /** After a start of the agent: takes over what runs. */
  async adopt(): Promise<void> {
    await this.#supervisor.find();
  }

  /** After `adopt`: makes true what was asked for before the agent, or the host, went down. */
  resume(): Promise<void> {
    return this.#exclusive(async () => {
      const { desired, request } = this.#record.current;
      if (request === null) return;
      const isRunning = (await this.#supervisor.find()) !== undefined;
      if (desired === 'stop' && isRunning) await this.#supervisor.stop(this.#graceMs(0));
      if (desired !== 'run') return;
      if (isRunning) return this.#latching.lookSoon();
      const launch = await this.#relaunch();
      if (launch === undefined) return;
      await this.#record.update({ restarts: this.#record.current.restarts + 1 });
      await this.#supervisor.launch(launch);
      this.#latching.lookSoon();
    }).catch((error: unknown) => {
      if (this.#context.lifetime.aborted) return;
      this.#log.error({ err: describeError(error) }, 'the member could not be resumed');
      if (this.#record.current.desired === 'run') this.#supervisor.scheduleRestart(0);
    });
  }

  async start(request: StartRequest): Promise<ProcessFacts> {
    checkFlags(request.flags);
    const running = await this.#supervisor.find();
    if (running !== undefined) {
      requireSameStart(this.cluster, request, { pid: running.identity.pid, request: this.#record.current.request });
      if (this.#record.current.desired !== 'run') await this.#record.update({ desired: 'run' });
      return this.#processFacts();
    }
    await this.#archiveUnfinished();
    const data = await inspectDataDir(this.#paths.data);
    const join = decideJoin({ cluster: this.cluster, data, latched: this.#latch.identity, request });
    await this.tls.requireComplete();
    const launch = await this.#prepare(request, join);
    this.#supervisor.cancelRestart();
    this.#supervisor.resetBackoff();
    await this.#record.update({ desired: 'run', request, isFresh: !data.isInitialised, restarts: 0 });
    try {
      await this.#supervisor.launch(launch);
    } catch (error) {
      if (data.isInitialised) this.#supervisor.scheduleRestart(0);
      throw error;
    }
    this.#latching.lookSoon();
    return this.#processFacts();
  }

  async stop(request: StopRequest): Promise<ProcessFacts> {
    if (this.#record.current.desired !== 'stop') await this.#record.update({ desired: 'stop' });
    // A disk that does not answer must not keep etcd from being stopped.
    await this.#latching.look().catch((error: unknown) => {
      this.#log.warn({ err: describeError(error) }, 'the data dir could not be looked at');
    });
    await this.#supervisor.stop(this.#graceMs(request.graceMs));
    return this.#processFacts();
  }

  async archiveData(request: ArchiveRequest): Promise<string | null> {
    await this.#requireStopped(`archive the data of ${this.cluster}`);
    const data = await inspectDataDir(this.#paths.data);
    return data.isPresent ? this.#archive(request.reason) : null;
  }

  installRestored(bootstrapId: string): Promise<LatchedIdentity> {
    return this.restore.install(bootstrapId, {
      latched: () => this.#latch.identity,
      requireStopped: async () => {
        await this.#requireStopped(`install a restore of ${this.cluster}`);
        // What the last start was to begin has no say over the data that comes now, and nothing has run on it yet.
        const { isFresh, request } = this.#record.current;
        if (isFresh || request !== null)
          await this.#record.update({ isFresh: false, request: null, desired: 'stop', restarts: 0, lastExit: null });
      },
      archive: () => this.#archive('restored'),
      latch: (identity, id) => this.#latching.remember(identity, id),
    });
  }

  /** @param archives names of this cluster's archives, oldest first */
  async facts(archives: readonly string[]): Promise<MemberFacts> {
    const data = await this.#latching.look();
    const process = await this.#processFacts();
    const loaded = process.state === 'running' ? this.#supervisor.running?.trust : undefined;
    // What an unfinished first start left behind holds nothing; the next start archives it.
    const isEmpty = !data.isPresent || (process.state !== 'running' && this.#latching.isUnfinished(data));
    return {
      process,
      data: { state: isEmpty ? 'empty' : 'present', ...data.identity, archives },
      latched: this.#latch.identity,
      certificates: {
        peer: await this.tls.facts('peer', loaded?.peer ?? []),
        client: await this.tls.facts('client', loaded?.client ?? []),
      },
      epoch: this.#fence.epoch,
      restore: await this.restore.facts(),
    };
  }

  async logs(lines: number): Promise<readonly string[]> {
    try {
      return await readLastLines(this.#paths.logFile, lines);
    } catch (error) {
      throw storageError(error, `read the log of ${this.cluster}`);
    }
  }

  async rotateLogs(options: RotationOptions): Promise<void> {
    if (await rotateLog(this.#paths.logFile, options)) this.#log.info({}, 'log rotated');
  }

  async #processFacts(): Promise<ProcessFacts> {
    const { running: found, willRestart } = this.#supervisor;
    const running = found !== undefined && (await this.#context.runtime.isAlive(found.identity)) ? found : undefined;
    const isDown = willRestart || (found !== undefined && this.#record.current.desired === 'run');
    return processFacts(this.#record.current, running, isDown);
  }

  async #prepare(request: StartRequest, join: JoinMode | undefined): Promise<Launch> {
    const binary = await this.#context.binaries.ensure(request.version, this.#context.lifetime);
    return {
      spec: {
        command: binary.etcd,
        args: etcdArguments(this.#paths, request, join),
        workingFolder: this.#paths.root,
        logFile: this.#paths.logFile,
      },
      version: request.version,
      trust: await this.tls.trust(),
    };
  }

  /** Only ever on data that is there: joining is a decision that is not the agent's. */
  async #relaunch(): Promise<Launch | undefined> {
    const { desired, request } = this.#record.current;
    if (desired !== 'run' || request === null) return undefined;
    if (!(await inspectDataDir(this.#paths.data)).isInitialised) {
      this.#log.error({}, 'the member is meant to run but its data is gone: it is not started by itself');
      return undefined;
    }
    await this.tls.requireComplete();
    return this.#prepare(request, undefined);
  }

  async #recordExit(exit: ProcessExit): Promise<void> {
    const lastExit = exitFacts(exit, await this.logs(exitReadLines), this.#context.clock.now());
    await this.#record.update({ lastExit });
  }

  /** From here on nothing starts it but a command. */
  async #requireStopped(operation: string): Promise<void> {
    if ((await this.#supervisor.find()) !== undefined) throw stillRunning(operation);
    this.#supervisor.cancelRestart();
    if (this.#record.current.desired !== 'stop') await this.#record.update({ desired: 'stop' });
  }

  async #archiveUnfinished(): Promise<void> {
    if (this.#latching.isUnfinished(await inspectDataDir(this.#paths.data))) await this.#archive('unfinished-start');
  }

  async #archive(reason: string): Promise<string> {
    const { dataDir, clock } = this.#context;
    const name = await archiveFolder(this.#paths.data, archivesFolder(dataDir), this.cluster, reason, clock.now());
    this.#log.info({ archive: name, reason }, 'data dir archived');
    return name;
  }

  #graceMs(asked: number): number {
    const electionTimeoutMs = this.#record.current.request?.electionTimeoutMs ?? 1000;
    return Math.max(asked, 5000 + 2 * electionTimeoutMs);
  }
}
