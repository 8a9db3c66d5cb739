import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { openRepository, type Repository, type RepositoryOptions } from '../../../src/source/repository.ts';
import { type WatchOptions, watchRepository } from '../../../src/source/watch.ts';

const execute = promisify(execFile);

const identity = { GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.org', GIT_COMMITTER_NAME: 'Ada' };

export async function git(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await execute('git', ['-C', folder, ...args], {
    env: {
      PATH: process.env.PATH,
      ...identity,
      GIT_COMMITTER_EMAIL: 'ada@example.org',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
    },
  });
  return stdout.trim();
}

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-source-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** A checkout on branch main with `clusters/a.yaml` in its first commit. */
export async function newCheckout(): Promise<string> {
  const folder = join(await temporaryFolder(), 'repo');
  await mkdir(folder);
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  await commit(folder, { 'clusters/a.yaml': 'name: a\n' }, 'First');
  return folder;
}

let commits = 0;

/** Writes files, commits everything, gives the id. Unlike its equals within the same second by its message. */
export async function commit(
  folder: string,
  files: Record<string, string>,
  message = `Change ${++commits}`,
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await git(folder, 'add', '--all');
  await git(folder, 'commit', '--quiet', '--allow-empty', '-m', message);
  return git(folder, 'rev-parse', 'HEAD');
}

export async function open(url: string, options: Partial<RepositoryOptions> = {}): Promise<Repository> {
  const cacheDir = options.cacheDir ?? (await temporaryFolder());
  const repository = await openRepository({
    clock: systemClock,
    url,
    ref: 'main',
    path: 'clusters',
    log: silentLogger,
    ...options,
    cacheDir,
  });
  onTestFinished(() => repository.close());
  return repository;
}

export interface Watched {
  readonly commits: readonly string[];
  readonly errors: readonly string[];
  readonly poke: () => void;
  readonly close: () => Promise<void>;
  /** Milliseconds of wall clock until this commit was told. Fails after `timeoutMs`. */
  sees(commit: string, timeoutMs?: number): Promise<number>;
}

/** Watches with an hour between safety looks, so that what is noticed was noticed by watching. */
export function watchFor(repository: WatchOptions['repository'], options: Partial<WatchOptions> = {}): Watched {
  const told: string[] = [];
  const errors: string[] = [];
  const watch = watchRepository({
    repository,
    pollMs: 3_600_000,
    clock: systemClock,
    random: () => 0.5,
    onChange: (id) => told.push(id),
    onError: (error) => errors.push(error.code),
    ...options,
  });
  onTestFinished(() => watch.close());
  return {
    commits: told,
    errors,
    poke: () => watch.poke(),
    close: () => watch.close(),
    sees: async (id, timeoutMs = 5000) => {
      const start = performance.now();
      const seen = await waitUntil(systemClock, { timeoutMs, intervalMs: 5 }, async () =>
        told.at(-1) === id ? id : undefined,
      );
      if (!seen.seen) throw new Error(`saw ${told.join(' ')} (${errors.join(' ')}), not ${id}`);
      return performance.now() - start;
    },
  };
}

/** `kind code` of the error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof QuorateError ? `${error.kind} ${error.code}` : String(error);
  }
}

/** Each input with what came of it, so that a mismatch names its input. */
export async function outcomes<T>(
  inputs: readonly string[],
  act: (input: string) => Promise<T>,
): Promise<Record<string, T>> {
  const results: Record<string, T> = {};
  for (const input of inputs) results[input] = await act(input);
  return results;
}

/** The same outcome for every input. */
export function all<T>(inputs: readonly string[], outcome: T): Record<string, T> {
  return Object.fromEntries(inputs.map((input) => [input, outcome]));
}
