import { createHash } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { ensureFolder, readFileIfExists } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import { forPeople, type Git, type GitOutcome } from './git.ts';

export interface RemoteCache {
  /** Makes the copy when it is missing, so that it can be looked into; contacts nobody. */
  prepare(): Promise<void>;
  /** Asks the remote where the ref is, fetches when it moved, gives the name of the local copy of the ref. */
  refresh(ref: string): Promise<string>;
  /** Brings every branch and tag. */
  fetchAll(): Promise<void>;
}

const fetchTimeoutMs = 5 * 60_000;
const remoteHeadTimeoutMs = 60_000;

/** The folder of a remote's bare copy: one per URL, so that histories never mix. */
export function cacheFolderOf(cacheDir: string, url: string): string {
  return join(cacheDir, `${createHash('sha256').update(url).digest('hex').slice(0, 24)}.git`);
}

export function openRemoteCache(options: {
  url: string;
  gitDir: string;
  git: Git;
  log: Logger;
  clock: Clock;
}): RemoteCache {
  const { url, gitDir, git, log, clock } = options;
  // What the remote said last, by ref; saves looking at the copy while nothing moves.
  const seen = new Map<string, string>();
  let isInitialised = false;

  async function prepare(): Promise<void> {
    try {
      await ensureFolder(gitDir);
      if (isInitialised && (await readFileIfExists(join(gitDir, 'HEAD'))) !== undefined) return;
    } catch (error) {
      throw asQuorateError(error, {
        code: 'source-unreadable',
        kind: 'transient',
        operation: `make the folder ${gitDir} for the copy of ${forPeople(url)}`,
      });
    }
    check(await git.run(['init', '--quiet', '--bare', '--template=', gitDir]), 'make the local copy');
    // A copy that somebody removed is filled anew.
    seen.clear();
    isInitialised = true;
  }

  async function fetch(refspecs: readonly string[], flags: readonly string[]): Promise<void> {
    await removeStaleLocks(gitDir, clock);
    const fixed = ['--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head'];
    const outcome = await git.run(['fetch', ...fixed, ...flags, '--', url, ...refspecs], {
      timeoutMs: fetchTimeoutMs,
      isRemote: true,
    });
    check(outcome, `fetch from ${forPeople(url)}`);
  }

  async function refresh(ref: string): Promise<string> {
    await prepare();
    const candidates = ref === 'HEAD' || ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
    const outcome = await git.run(['ls-remote', '--quiet', '--', url, ...candidates], {
      timeoutMs: remoteHeadTimeoutMs,
      isRemote: true,
    });
    const lines = check(outcome, `ask ${forPeople(url)} for ${ref}`)
      .stdout.toString('utf8')
      .split('\n');
    const found = new Map(lines.map((line) => [line.split('\t')[1] ?? '', line.split('\t')[0] ?? '']));
    const name = candidates.find((candidate) => found.has(candidate));
    const id = name === undefined ? undefined : found.get(name);
    if (name === undefined || id === undefined)
      throw new QuorateError({
        code: 'ref-not-found',
        kind: 'waiting',
        operation: `find ${ref} in ${forPeople(url)}`,
        summary: 'the remote has no branch or tag of this name',
        remedy: `Push it, or set git.ref to what exists: git ls-remote ${forPeople(url)}`,
      });
    // Under a name of our own, because a branch `a` that became `a/b` could not be stored beside its past.
    const local = `refs/quorate/${createHash('sha256').update(name).digest('hex').slice(0, 24)}`;
    if (seen.get(ref) !== id) {
      const present = await git.run(['rev-parse', '--verify', '--quiet', local]);
      if (present.stdout.toString('utf8').trim() !== id) {
        await fetch([`+${name}:${local}`], []);
        log.debug({ ref: name, id }, 'fetched');
      }
      seen.set(ref, id);
    }
    return local;
  }

  return {
    prepare,
    refresh,
    fetchAll: async () => {
      await prepare();
      await fetch(['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'], ['--prune']);
    },
  };
}

function check(outcome: GitOutcome, operation: string): GitOutcome {
  if (outcome.exitCode === 0) return outcome;
  throw new QuorateError({
    code: 'source-unreadable',
    kind: 'transient',
    operation,
    summary: outcome.stderr === '' ? `git ended with code ${outcome.exitCode}` : outcome.stderr,
    remedy:
      'Nothing is changed while the source cannot be read. Check the network, the credentials (deploy key or token), and for ssh that the server is in known_hosts.',
  });
}

/** A fetch that was killed leaves locks behind that would block every later one. None lives longer than a fetch may. */
async function removeStaleLocks(gitDir: string, clock: Clock): Promise<void> {
  try {
    const names = await readdir(gitDir, { recursive: true });
    for (const name of names.filter((candidate) => candidate.endsWith('.lock'))) {
      const path = join(gitDir, name);
      if (clock.now() - (await stat(path)).mtimeMs > 2 * fetchTimeoutMs) await rm(path, { force: true });
    }
  } catch {
    // Another process removed what we looked at; the fetch itself tells when something is really wrong.
  }
}
