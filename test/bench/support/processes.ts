import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';

export type Kind = 'controller' | 'agent' | 'etcd';

export interface BenchProcess {
  readonly pid: number;
  readonly kind: Kind;
  /** What tells it from the others: the configuration file or the data dir. */
  readonly name: string;
}

/** The controllers, agents and etcd that have their configuration or data below a folder. */
export async function processesBelow(folder: string): Promise<readonly BenchProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const all = await Promise.all(pids.map(async (pid) => recognise(folder, pid, await argumentsOf(pid))));
  return all.filter((process) => process !== undefined);
}

function recognise(folder: string, pid: number, args: readonly string[]): BenchProcess | undefined {
  const dataFlag = `--data-dir=${folder}/`;
  const data = args.find((arg) => arg.startsWith(dataFlag));
  if (data !== undefined && basename(args[0] ?? '') === 'etcd') {
    return { pid, kind: 'etcd', name: data.slice(dataFlag.length) };
  }
  const config = args[args.indexOf('--config') + 1] ?? '';
  if (!config.startsWith(`${folder}/`)) return undefined;
  const kind = (['controller', 'agent'] as const).find((name) => args.includes(name));
  return kind === undefined ? undefined : { pid, kind, name: config.slice(folder.length + 1) };
}

async function argumentsOf(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

/**
 * Ends all of them: first what starts and watches etcd, gracefully so that a profile is written, then etcd at once,
 * whose data is thrown away.
 */
export async function endProcessesBelow(folder: string): Promise<void> {
  await end(folder, ['controller', 'agent'], 'SIGTERM', 10_000);
  await end(folder, ['controller', 'agent'], 'SIGKILL', 5_000);
  await end(folder, ['etcd'], 'SIGKILL', 5_000);
}

async function end(folder: string, kinds: readonly Kind[], signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  const told = new Set<number>();
  await waitUntil(systemClock, { timeoutMs, intervalMs: 25 }, async () => {
    const left = (await processesBelow(folder)).filter((process) => kinds.includes(process.kind));
    for (const { pid } of left) {
      if (!told.has(pid)) send(pid, signal);
      told.add(pid);
    }
    return left.length === 0 ? true : undefined;
  });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

export interface Usage {
  /** User and system time since its start, milliseconds. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly peakResidentBytes: number;
}

/** Of Linux; USER_HZ is 100 on every architecture that Node runs on. */
const tickMs = 10;

/** Undefined when the process is gone. */
export async function usageOf(pid: number): Promise<Usage | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    // proc(5): utime and stime are fields 14 and 15; the third field follows the closing parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
    return {
      cpuMs: (Number(fields[11]) + Number(fields[12])) * tickMs,
      residentBytes: kib('VmRSS') * 1024,
      peakResidentBytes: kib('VmHWM') * 1024,
    };
  } catch {
    return undefined;
  }
}

/** Processes that were just started compile and warm up: waits until they take less than a tenth of a core. */
export async function waitUntilQuiet(pids: readonly number[], timeoutMs = 20_000): Promise<void> {
  const total = async (): Promise<number> =>
    (await Promise.all(pids.map((pid) => usageOf(pid)))).reduce((sum, usage) => sum + (usage?.cpuMs ?? 0), 0);
  let before = await total();
  await waitUntil(systemClock, { timeoutMs, intervalMs: 300 }, async () => {
    const now = await total();
    const isQuiet = now - before <= 30;
    before = now;
    return isQuiet && now > 0 ? true : undefined;
  });
}
