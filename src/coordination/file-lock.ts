import { spawn } from 'node:child_process';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { asQuorateError, describeError, QuorateError, systemErrorCode } from '../base/errors.ts';

export interface FileLock {
  /** False once the file was removed or replaced: then another process can lock the new one. */
  isInForce(): Promise<boolean>;
  release(): Promise<void>;
}

const conflictExitCode = 12;
const lockTimeoutMs = 10_000;

/**
 * Takes an exclusive flock(2) on a file, made when missing; undefined when another process has it.
 *
 * flock(1) puts the lock on an open file that we lend to it and then ends. The lock belongs to that open
 * file, of which only this process has a descriptor (closed on exec), so the kernel drops it the moment
 * this process is gone, by whatever death. No helper process stays behind that could outlive us or be
 * hit by a signal to our group.
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  const operation = `lock ${path}`;
  // Between opening and locking the file may be replaced; twice in a row does not happen by itself.
  for (let attempt = 0; attempt < 3; attempt++) {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'a', 0o600);
      if (!(await runFlock(handle.fd, operation))) {
        await handle.close();
        return undefined;
      }
      const lock = lockOn(handle, path);
      if (await lock.isInForce()) return lock;
      await handle.close();
    } catch (error) {
      await handle?.close();
      throw asQuorateError(error, {
        code: 'lock-failed',
        kind: 'transient',
        operation,
        remedy: 'The state folder has to be writable by this user, on a file system that has room and knows flock(2).',
      });
    }
  }
  throw new QuorateError({
    code: 'lock-failed',
    kind: 'transient',
    operation,
    summary: 'the file is replaced all the time',
    remedy: 'Find what writes to the state folder.',
  });
}

function lockOn(handle: FileHandle, path: string): FileLock {
  return {
    isInForce: async () => {
      try {
        const [ours, named] = await Promise.all([handle.stat(), stat(path)]);
        return ours.dev === named.dev && ours.ino === named.ino;
      } catch (error) {
        if (systemErrorCode(error) === 'ENOENT') return false;
        throw error;
      }
    },
    release: () => handle.close(),
  };
}

/** True: locked. False: another open file has the lock. */
async function runFlock(fd: number, operation: string): Promise<boolean> {
  const child = spawn('flock', ['--exclusive', '--nonblock', '--conflict-exit-code', `${conflictExitCode}`, '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    timeout: lockTimeoutMs,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(0, 500);
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch((error: unknown) => {
    throw new QuorateError({
      code: 'flock-missing',
      kind: 'stalled',
      operation,
      summary: `the program flock could not be started, so two controllers could not be kept apart: ${describeError(error)}`,
      remedy: 'Install util-linux (apt install util-linux, dnf install util-linux) and have flock on the PATH.',
      cause: error,
    });
  });
  if (exitCode === 0) return true;
  if (exitCode === conflictExitCode) return false;
  throw new QuorateError({
    code: 'lock-failed',
    kind: 'transient',
    operation,
    summary:
      exitCode === null
        ? `flock had no answer in ${lockTimeoutMs} ms`
        : `flock ended with code ${exitCode}: ${stderr.trim()}`,
    remedy: 'flock of util-linux is needed, and a file system that knows flock(2).',
  });
}
