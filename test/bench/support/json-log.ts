import { readFile } from 'node:fs/promises';
import { systemClock } from '../../../src/base/clock.ts';
import { waitUntil } from '../../../src/base/wait.ts';

/** A line of the log of a controller or an agent. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly msg: string;
  readonly level: string;
  readonly cluster: string;
  /** First twelve digits. */
  readonly commit: string;
  readonly action: string;
  readonly target: string;
  readonly outcome: string;
  readonly error: string;
}

export async function readLog(file: string): Promise<readonly LogLine[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => parse(line) ?? []);
}

function parse(line: string): LogLine | undefined {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = { ...(JSON.parse(line) as object) };
  } catch {
    // Half a line, or a warning of Node itself.
    return undefined;
  }
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  return {
    atMs: Date.parse(text('time')),
    msg: text('msg'),
    level: text('level'),
    cluster: text('cluster'),
    commit: text('commit').slice(0, 12),
    action: text('action'),
    target: text('target'),
    outcome: text('outcome'),
    error: text('error'),
  };
}

/** Waits until the log holds what `find` looks for; fails with its last lines otherwise. */
export async function waitForLog<T>(
  file: string,
  what: string,
  timeoutMs: number,
  find: (lines: readonly LogLine[]) => T | undefined,
): Promise<T> {
  let lines: readonly LogLine[] = [];
  const waited = await waitUntil(systemClock, { timeoutMs, intervalMs: 50 }, async () => {
    lines = await readLog(file);
    return find(lines);
  });
  if (waited.seen) return waited.value;
  const last = lines.slice(-10).map(({ level, cluster, msg, error }) => `  ${level} ${cluster} ${msg} ${error}`);
  throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}; the end of ${file}:\n${last.join('\n')}`);
}
