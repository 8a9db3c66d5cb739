import { spawn } from 'node:child_process';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identify, isSameProcess } from '../../agent/procfs.ts';
import type { ProcessIdentity } from '../../agent/runtime.ts';
import type { Clock } from '../../base/clock.ts';
import { describeError, QuorateError } from '../../base/errors.ts';
import { waitUntil } from '../../base/wait.ts';

/** In the order in which they have to end: each of them starts or commands the next kind. */
export const processKinds = ['controller', 'agent', 'etcd'] as const;
export type ProcessKind = (typeof processKinds)[number];

export interface FleetProcess {
  readonly kind: ProcessKind;
  /** Absent for the controller. */
  readonly host?: string;
  readonly identity: ProcessIdentity;
}

/** How `quorate` itself is run: the program, its options, and the script. */
export type Program = readonly [string, ...string[]];

/** As this very process was started, with tsx or compiled. */
export function runningProgram(): Program {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
}

export interface QuorateChild {
  readonly pid: number;
  /** How it ended, for people; undefined while it runs. */
  ended(): string | undefined;
}

/** Starts a command of `quorate` in a session of its own: Ctrl-C in the terminal does not reach it. */
export async function startQuorate(
  [program, ...options]: Program,
  args: readonly string[],
  logFile: string,
): Promise<QuorateChild> {
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(program, [...options, ...args], { detached: true, stdio: ['ignore', log.fd, log.fd] });
    let end: string | undefined;
    child.once('exit', (code, signal) => {
      end = signal === null ? `exit code ${code ?? 0}` : `signal ${signal}`;
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) => reject(startFailed(args, error)));
    });
    child.unref();
    return { pid: child.pid ?? 0, ended: () => end };
  } finally {
    await log.close();
  }
}

/**
 * The controller, agents and etcd of the fleet in a folder, known by their arguments, whoever started
 * them. An editor or `tail` on files of the folder is none of them.
 */
export async function fleetProcesses(folder: string): Promise<readonly FleetProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map(async (pid) => recognise(folder, pid, await readArguments(pid))));
  return found.filter((process) => process !== undefined);
}

function recognise(folder: string, pid: number, args: readonly string[]): FleetProcess | undefined {
  const role = roleOf(folder, args);
  if (role === undefined || pid === process.pid) return undefined;
  const identity = identify(pid);
  return identity === undefined ? undefined : { ...role, identity };
}

function roleOf(folder: string, args: readonly string[]): Omit<FleetProcess, 'identity'> | undefined {
  const hosts = `--data-dir=${join(folder, 'hosts')}/`;
  const data = args.find((arg) => arg.startsWith(hosts));
  if (data !== undefined) return { kind: 'etcd', host: data.slice(hosts.length).split('/')[0] ?? '' };
  const config = args[args.indexOf('--config') + 1] ?? '';
  const agents = join(folder, 'agents/');
  if (args.includes('controller') && config === join(folder, 'controller.yaml')) return { kind: 'controller' };
  if (!args.includes('agent') || !config.startsWith(agents)) return undefined;
  return { kind: 'agent', host: config.slice(agents.length).replace(/\.yaml$/, '') };
}

async function readArguments(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    // Ended meanwhile, or hidden from us: not ours.
    return [];
  }
}

const graceMs = 2500;

/**
 * Ends everything of the fleet: TERM, and KILL after 2.5 s, kind after kind, looking again until none is
 * left. Throws `processes-left` when some cannot be ended.
 */
export async function endFleet(folder: string, clock: Clock): Promise<void> {
  for (const kind of processKinds) await endKind(folder, kind, clock);
}

async function endKind(folder: string, kind: ProcessKind, clock: Clock): Promise<void> {
  const ofKind = async (): Promise<readonly FleetProcess[]> =>
    (await fleetProcesses(folder)).filter((process) => process.kind === kind);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const { identity } of await ofKind()) send(identity, signal);
    const gone = await waitUntil(clock, { timeoutMs: graceMs, intervalMs: 25 }, async () =>
      (await ofKind()).length === 0 ? true : undefined,
    );
    if (gone.seen) return;
  }
  const left = (await ofKind()).map(({ identity }) => identity.pid).join(', ');
  throw new QuorateError({
    code: 'processes-left',
    kind: 'stalled',
    operation: `stop the fleet in ${folder}`,
    summary: `${kind} does not end (process ${left})`,
    remedy: `Look at them with: ps -fp ${left}`,
  });
}

/** Sends a signal to exactly this process; nothing when it is gone. */
export function send(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  const found = identify(identity.pid);
  if (found === undefined || !isSameProcess(found, identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (identify(identity.pid) === undefined) return;
    throw new QuorateError({
      code: 'signal-failed',
      kind: 'stalled',
      operation: `send ${signal} to process ${identity.pid}`,
      summary: describeError(error),
    });
  }
}

function startFailed(args: readonly string[], cause: unknown): QuorateError {
  return new QuorateError({
    code: 'start-failed',
    kind: 'stalled',
    operation: `start quorate ${args.join(' ')}`,
    summary: describeError(cause),
    cause,
  });
}
