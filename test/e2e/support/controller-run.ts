import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { cleanEnvironment, quorateArguments } from './program.ts';

/** The moments between which a controller may die: before and after each step. */
export interface Boundary {
  /** From 1. */
  readonly number: number;
  readonly is: 'begins' | 'done';
  readonly action: string;
  readonly target: string;
}

export interface RunOptions {
  /** SIGKILL at the boundary of this number. */
  readonly killAt?: number;
  /** SIGKILL when this part of this action begins: `restore-cluster stop`. */
  readonly killAtPart?: string;
  /** Called at once, while the controller goes on. */
  readonly onBoundary?: (boundary: Boundary) => void;
  /** The controller stands still (SIGSTOP) while this looks at the cluster from outside. */
  readonly inspect?: (boundary: Boundary) => Promise<void>;
  /** 180 s by default; then it is killed and the exit code is null. */
  readonly timeoutMs?: number;
}

export interface ControllerRun {
  /** Null: killed. */
  readonly code: number | null;
  readonly stdout: string;
  /** What it said to people. */
  readonly stderr: string;
  readonly log: readonly LogLine[];
  readonly boundaries: readonly Boundary[];
}

export interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly action?: string;
  readonly target?: string;
  /** Part of a long step that begins. */
  readonly part?: string;
  readonly code?: string;
}

/** `quorate controller --once`, followed line by line. */
export async function runControllerOnce(config: string, options: RunOptions = {}): Promise<ControllerRun> {
  const { killAt, killAtPart, onBoundary, inspect, timeoutMs = 180_000 } = options;
  const [program, args] = quorateArguments(['controller', '--once', '--config', config]);
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: cleanEnvironment(),
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const log: LogLine[] = [];
  const boundaries: Boundary[] = [];
  let stdout = '';
  let stderr = '';
  let inspecting = Promise.resolve();
  let failure: Error | undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    const entry = parseLogLine(line);
    if (entry === undefined) {
      stderr += `${line}\n`;
      return;
    }
    log.push(entry);
    if (killAtPart !== undefined && `${entry.action} ${entry.part}` === killAtPart) child.kill('SIGKILL');
    const boundary = boundaryOf(entry, boundaries.length + 1);
    if (boundary === undefined) return;
    boundaries.push(boundary);
    if (boundary.number === killAt) child.kill('SIGKILL');
    onBoundary?.(boundary);
    if (inspect === undefined) return;
    child.kill('SIGSTOP');
    inspecting = inspecting
      .then(() => inspect(boundary))
      .catch((error: unknown) => {
        failure ??= error instanceof Error ? error : new Error(String(error));
      })
      // Not before the looks at boundaries that came meanwhile are over.
      .finally(() => {
        if (boundaries.at(-1) === boundary) child.kill('SIGCONT');
      });
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  await inspecting;
  if (failure !== undefined) throw failure;
  return { code, stdout, stderr, log, boundaries };
}

function boundaryOf({ msg, action, target }: LogLine, number: number): Boundary | undefined {
  const is = msg === 'step begins' ? 'begins' : msg === 'step is done' ? 'done' : undefined;
  return is === undefined || action === undefined || target === undefined ? undefined : { number, is, action, target };
}

/** Undefined for text that is no line of a JSON log. */
export function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}
