import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import { findByArgument, identify, identifyChild, isSameProcess } from './procfs.ts';
import type { LaunchSpec, ProcessExit, ProcessIdentity, ProcessRuntime } from './runtime.ts';

/** How often an adopted process, which is not our child, is looked at. One small read each. */
const watchIntervalMs = 200;

/** Detached children, each in a session of its own, so that neither a signal to the agent nor its death reaches them. */
export function createProcessRuntime(clock: Clock): ProcessRuntime {
  const children = new Map<number, { identity: ProcessIdentity; exit: Promise<ProcessExit> }>();

  const isAlive = (identity: ProcessIdentity): boolean => {
    const found = identify(identity.pid);
    return found !== undefined && isSameProcess(found, identity);
  };

  return {
    launch: async (spec) => {
      const log = await openLog(spec);
      try {
        const child = execute(spec, log.fd);
        // Before anything is awaited: see identifyChild.
        const identity = child.pid === undefined ? undefined : identifyChild(child.pid);
        const exit = exitOf(child);
        await started(child, spec);
        if (identity === undefined) throw startFailed(spec, 'it ended before it could be identified');
        child.unref();
        // Kept until somebody has asked for the exit, because it may be over before that.
        children.set(identity.pid, { identity, exit });
        return identity;
      } finally {
        await log.close();
      }
    },
    find: (argument) => findByArgument(argument),
    isAlive: async (identity) => isAlive(identity),
    signal: async (identity, signal) => {
      if (!isAlive(identity)) return;
      try {
        process.kill(identity.pid, signal);
      } catch (error) {
        if (!isAlive(identity)) return;
        throw new QuorateError({
          code: 'signal-failed',
          kind: 'stalled',
          operation: `send ${signal} to process ${identity.pid}`,
          summary: describeError(error),
          remedy: 'Run the agent as the user that owns the etcd process.',
          cause: error,
        });
      }
    },
    exited: async (identity, signal) => {
      const child = children.get(identity.pid);
      if (child !== undefined && isSameProcess(child.identity, identity)) {
        const exit = await orAborted(child.exit, signal);
        if (children.get(identity.pid) === child) children.delete(identity.pid);
        return exit;
      }
      // Ends with the process or with the agent, whichever is first.
      while (isAlive(identity)) await clock.sleep(watchIntervalMs, signal);
      return { code: null, signal: null };
    },
  };
}

function execute(spec: LaunchSpec, logFd: number): ChildProcess {
  try {
    return spawn(spec.command, spec.args, {
      detached: true,
      stdio: ['ignore', logFd, logFd],
      cwd: spec.workingFolder,
      env: etcdEnvironment(),
    });
  } catch (error) {
    // Some errors of the system are thrown, not emitted: too many arguments, a NUL in one of them.
    throw startFailed(spec, describeError(error));
  }
}

/** etcd reads ETCD_… variables as flags, so nothing of the agent's environment is passed on but the search path. */
function etcdEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
  // etcd before 3.5 calls arm64 unsupported and wants to be told that this is meant.
  if (process.arch === 'arm64') environment['ETCD_UNSUPPORTED_ARCH'] = 'arm64';
  return environment;
}

async function openLog(spec: LaunchSpec): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(spec.logFile, 'a', 0o600);
  } catch (error) {
    throw startFailed(spec, `its log cannot be opened: ${describeError(error)}`);
  }
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function started(child: ChildProcess, spec: LaunchSpec): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve());
    child.on('error', (error) => reject(startFailed(spec, describeError(error))));
  });
}

function startFailed(spec: LaunchSpec, reason: string): QuorateError {
  return new QuorateError({
    code: 'start-failed',
    kind: 'stalled',
    operation: `start ${spec.command}`,
    summary: `the program could not be started: ${reason}`,
    remedy: 'Check that the file is there, executable, and made for this machine.',
  });
}

async function orAborted(exit: Promise<ProcessExit>, signal: AbortSignal): Promise<ProcessExit> {
  const waiting = new AbortController();
  const aborted = once(signal, 'abort', { signal: waiting.signal }).then((): never => {
    throw new QuorateError({
      code: 'agent-ending',
      kind: 'transient',
      operation: 'wait for the end of etcd',
      summary: 'the agent ends; etcd goes on',
    });
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([exit, aborted]);
  } finally {
    waiting.abort();
    // It has lost the race or was called off; either way its rejection is nobody's news.
    await aborted.catch(() => undefined);
  }
}
