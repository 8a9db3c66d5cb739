import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../../src/base/clock.ts';
import { usageOf } from './processes.ts';

export interface MeasuredCommand {
  readonly wallMs: number;
  /** Highest resident memory of the process, as the kernel keeps it (VmHWM), looked at up to 50 ms before its end. */
  readonly peakBytes: number;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const lookEveryMs = 50;
const timeoutMs = 1_800_000;

/** Runs a program to its end, whatever it ends with. Rejects when it cannot be started, or is cut off by the signal. */
export async function measureCommand(
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<MeasuredCommand> {
  const startedMs = systemClock.monotonic();
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  const over = new AbortController();
  let peakBytes = 0;
  const looking = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      const usage = await usageOf(child.pid ?? 0);
      peakBytes = Math.max(peakBytes, usage?.peakResidentBytes ?? 0);
      await systemClock.sleep(lookEveryMs, over.signal).catch(() => undefined);
    }
  })();
  try {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { wallMs: systemClock.monotonic() - startedMs, peakBytes, exitCode: child.exitCode, stdout, stderr };
  } finally {
    over.abort();
    await looking;
  }
}

/** The same, for a program that has to succeed. */
export async function measureSuccess(program: string, args: readonly string[]): Promise<MeasuredCommand> {
  const measured = await measureCommand(program, args);
  if (measured.exitCode === 0) return measured;
  throw new Error(`${program} ended with ${measured.exitCode}: ${measured.stderr.trim().slice(-2000)}`);
}
