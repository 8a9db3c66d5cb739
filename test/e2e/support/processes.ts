import { readdir, readFile } from 'node:fs/promises';
import { eventually } from './eventually.ts';

export interface FoundProcess {
  readonly pid: number;
  readonly args: readonly string[];
}

/** Every process with a text in its command line, whoever started it; this one and dead ones left out. */
export async function processesWith(text: string): Promise<readonly FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(async (pid) => ({ pid, args: await argumentsOf(pid) })));
  return all.filter(({ pid, args }) => pid !== process.pid && args.some((arg) => arg.includes(text)));
}

/** Empty when the process is gone, or waits to be reaped. */
async function argumentsOf(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
  } catch {
    return [];
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function killHard(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  await eventually('killed processes end', 10_000, async () => {
    const left = (await Promise.all(pids.map(argumentsOf))).filter((args) => args.length > 0);
    if (left.length > 0) throw new Error(`still there: ${left.map((args) => args.slice(0, 4).join(' ')).join('; ')}`);
  });
}
