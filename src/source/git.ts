import { randomUUID } from 'node:crypto';
import { simpleGit } from 'simple-git';
import { describeError, QuorateError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import { callVariable, killMarked } from './stop-processes.ts';

export interface Git {
  /**
   * Runs one git command on the repository. A failing exit is an outcome, not an error; thrown are
   * `git-missing`, `git-timeout`, `git-output-too-large` and `source-unreadable` (could not be run at all).
   */
  run(args: readonly string[], options?: GitRunOptions): Promise<GitOutcome>;
  /** Stops commands that are under way; later ones are refused. */
  close(): void;
}

export interface GitRunOptions {
  /** Default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** May talk to a remote over ssh, https or file. Default false: no protocol is allowed. */
  readonly isRemote?: boolean | undefined;
}

export interface GitOutcome {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** Fit for people: credentials, control characters and length are taken out. */
  readonly stderr: string;
}

export interface GitOptions {
  /** The git dir itself: commands need no work tree and discover nothing. */
  readonly gitDir: string;
  /** Taken from here is only what authentication, proxies and trust need. */
  readonly environment: NodeJS.ProcessEnv;
}

// A listing of 200,000 files is about 20 MiB; nothing that is asked for here is larger.
const maxOutputBytes = 64 * 1024 * 1024;
// Between asking git to end (it takes its lock files away), killing what is left, and waiting no longer.
const stopGraceMs = 300;
const giveUpMs = 2000;

/**
 * git through simple-git, with everything off that could run a program, ask a question, open a work
 * tree or read settings from the surroundings. Settings of the user stay: they hold credentials.
 */
export function openGit({ gitDir, environment }: GitOptions): Git {
  const running = new Set<(reason: StopReason) => void>();
  let isClosed = false;

  async function run(args: readonly string[], options: GitRunOptions = {}): Promise<GitOutcome> {
    const operation = `git ${args[0] ?? ''}`;
    if (isClosed) throw stopped(operation, 'closed');
    const timeoutMs = options.timeoutMs ?? 30_000;
    const abort = new AbortController();
    const chunks: Buffer[] = [];
    let bytes = 0;
    let exitCode = 0;
    let stderr = '';
    let reason: StopReason | undefined;
    let giveUp: (error: Error) => void = () => undefined;
    const hung = new Promise<never>((_resolve, reject) => {
      giveUp = reject;
    });
    const mark = randomUUID();
    const timers: NodeJS.Timeout[] = [];
    const stop = (why: StopReason): void => {
      if (reason !== undefined) return;
      reason = why;
      abort.abort();
      timers.push(
        setTimeout(() => void killMarked(mark), stopGraceMs),
        setTimeout(() => giveUp(new Error('git did not end')), giveUpMs),
      );
    };
    timers.push(setTimeout(() => stop('timeout'), timeoutMs));
    running.add(stop);
    try {
      const git = simpleGit({
        baseDir: gitDir,
        abort: abort.signal,
        // The hooks path is set to a place without hooks, which simple-git counts among the unsafe settings.
        config: ['core.hooksPath=/dev/null', 'gc.autoDetach=false', 'http.lowSpeedLimit=500', 'http.lowSpeedTime=30'],
        unsafe: {
          allowUnsafeHooksPath: true,
          allowUnsafeSshCommand: true,
          allowUnsafeAskPass: true,
          allowUnsafeTemplateDir: true,
        },
        // Output is whole only when the pipes are closed, not when the process has ended.
        completion: { onClose: true, onExit: false },
        errors: (error, result) => {
          // Without a number it was ended by a signal.
          exitCode = Number.isInteger(result.exitCode) ? result.exitCode : 255;
          stderr = Buffer.concat(result.stdErr).toString('utf8');
          return error;
        },
      })
        .env({ ...gitEnvironment(gitDir, environment, options.isRemote === true), [callVariable]: mark })
        .outputHandler((_command, stdout) => {
          // simple-git gives text; file contents have to stay bytes.
          stdout.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > maxOutputBytes) stop('too-large');
            else chunks.push(chunk);
          });
        });
      await Promise.race([git.raw([...args]), hung]);
    } catch (error) {
      if (reason !== undefined) throw stopped(operation, reason, timeoutMs);
      if (exitCode === 0)
        throw new QuorateError({
          code: 'source-unreadable',
          kind: 'transient',
          operation,
          summary: `git could not be run: ${forPeople(describeError(error))}`,
          remedy: `Check that ${gitDir} exists and can be read by this user.`,
          cause: error,
        });
    } finally {
      for (const timer of timers) clearTimeout(timer);
      running.delete(stop);
    }
    if (reason !== undefined) throw stopped(operation, reason, timeoutMs);
    // A negative number is a system error of the start itself.
    if (exitCode < 0)
      throw new QuorateError({
        code: 'git-missing',
        kind: 'stalled',
        operation,
        summary: `the program git could not be started, so that no source can be read: ${forPeople(stderr)}`,
        remedy: 'Install git 2.30 or newer and make sure that it is on the PATH of this process.',
      });
    return { exitCode, stdout: Buffer.concat(chunks), stderr: forPeople(stderr) };
  }

  return {
    run,
    close: () => {
      isClosed = true;
      for (const stop of running) stop('closed');
    },
  };
}

type StopReason = 'timeout' | 'too-large' | 'closed';

function stopped(operation: string, reason: StopReason, timeoutMs = 0): QuorateError {
  if (reason === 'too-large')
    return new QuorateError({
      code: 'git-output-too-large',
      kind: 'stalled',
      operation,
      summary: `the answer is larger than ${maxOutputBytes / 1024 ** 2} MiB`,
      remedy: 'Keep cluster specs in a folder of their own and point git.path at it.',
    });
  return new QuorateError({
    code: reason === 'timeout' ? 'git-timeout' : 'source-closed',
    kind: 'transient',
    operation,
    summary: reason === 'timeout' ? `no end after ${timeoutMs} ms, stopped` : 'the repository was closed',
    remedy: reason === 'timeout' ? 'Check the network to the Git server and the load of this host.' : undefined,
  });
}

const keptVariables = [
  'PATH',
  'HOME',
  'XDG_CONFIG_HOME',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'SSH_AUTH_SOCK',
  'GIT_ASKPASS',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]),
];

function gitEnvironment(gitDir: string, from: NodeJS.ProcessEnv, isRemote: boolean): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of keptVariables) {
    const value = from[name];
    if (value !== undefined) kept[name] = value;
  }
  return {
    ...kept,
    LC_ALL: 'C',
    GIT_DIR: gitDir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    // Everything else (http, git, ext::…) is either not authentic or runs programs.
    GIT_ALLOW_PROTOCOL: isRemote ? 'ssh:https:file' : 'none',
    // A server that is not in known_hosts is refused, and nothing is asked.
    GIT_SSH_COMMAND: `${from.GIT_SSH_COMMAND ?? 'ssh'} -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=15 -o ServerAliveInterval=15`,
  };
}

/** Removes credentials, and what could steer a terminal. */
export function forPeople(text: string): string {
  const clean = redact(text)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
  return clean.length > 500 ? `${clean.slice(0, 500)}…` : clean;
}
