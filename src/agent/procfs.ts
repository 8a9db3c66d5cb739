import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ProcessIdentity } from './runtime.ts';

/** The two fields of /proc/PID/stat that matter here. */
export interface ProcessStat {
  /** One letter: R, S, D, Z (zombie), X (dead)… */
  readonly state: string;
  readonly startTicks: number;
}

/** The command's name stands in parentheses and may hold anything, so fields are counted after the last one. */
export function parseStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(')');
  if (end < 0) return undefined;
  const fields = text.slice(end + 2).split(' ');
  // proc(5) numbers from 1 and the third field is the first one here: state is 3, starttime is 22.
  const state = fields[0];
  const startTicks = Number(fields[19]);
  return state === undefined || state === '' || !Number.isSafeInteger(startTicks) ? undefined : { state, startTicks };
}

/** Undefined when there is no such process, or it is a zombie. Synchronous: see `identifyChild`. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTicks: stat.startTicks, bootId: bootId() };
}

/**
 * Identity of a child that was started in this very turn of the event loop. It cannot have been reaped
 * yet, so even when it is already dead its entry is there.
 */
export function identifyChild(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : { pid, startTicks: stat.startTicks, bootId: bootId() };
}

export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

/** First live process that has `argument` among its arguments and is not one of etcd's tools. */
export async function findByArgument(argument: string): Promise<ProcessIdentity | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  for (const pid of pids) {
    const args = await readArguments(pid);
    const program = basename(args[0] ?? '');
    if (program === 'etcdctl' || program === 'etcdutl' || !args.includes(argument)) continue;
    const identity = identify(Number(pid));
    if (identity !== undefined) return identity;
  }
  return undefined;
}

async function readArguments(pid: string): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    // It ended while we looked, or belongs to somebody whose processes are hidden: not ours either way.
    return [];
  }
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

let cachedBootId: string | undefined;

function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}
