import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `quorate` in a process of its own, from its sources. */
export interface QuorateProcess {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until that holds; throws with what was printed when it does not within half a minute, or when it ends before. */
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
  kill(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void;
  /** Exit code; -1 when a signal ended it. */
  ended(): Promise<number>;
}

export function startQuorate(...args: readonly string[]): QuorateProcess {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, QUORATE_CONFIG: '' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const closed = once(child, 'close');
  return {
    stdout: () => stdout,
    stderr: () => stderr,
    until: async (what, holds) => {
      const { seen } = await waitUntil(systemClock, { timeoutMs: 30_000, intervalMs: 20 }, async () => {
        if (await holds()) return true;
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`it ended before ${what}:\n${stdout}\n${stderr}`);
        return undefined;
      });
      if (!seen) throw new Error(`${what}: not within 30 s:\n${stdout}\n${stderr}`);
    },
    kill: (signal) => {
      child.kill(signal);
    },
    ended: async () => {
      await closed;
      return child.exitCode ?? -1;
    },
  };
}

/** Runs it to its end. */
export async function quorate(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const started = startQuorate(...args);
  const code = await started.ended();
  return { code, stdout: started.stdout(), stderr: started.stderr() };
}
