import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { forPeople, type Git, openGit } from './git.ts';
import { type GitFolders, locateGitFolders, parseLocation } from './location.ts';
import { readRevision } from './read-revision.ts';
import { cacheFolderOf, openRemoteCache, type RemoteCache } from './remote-cache.ts';
import type { Revision } from './revision.ts';

export interface RepositoryOptions {
  /** A local path, or ssh://, https://, file://, user@host:path. */
  readonly url: string;
  /** Branch, tag, `HEAD`, full ref name or full commit id that the controller follows. */
  readonly ref: string;
  /** Folder of the specs inside the repository; `` or `.` is its root. */
  readonly path: string;
  /** Bare copies of remotes are kept here. */
  readonly cacheDir: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** Default: the environment of this process. */
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** Errors of all: `source-unreadable`, `git-timeout` (transient), `git-missing` (stalled). */
export interface Repository {
  /** The URL without credentials. */
  readonly name: string;
  readonly ref: string;
  /** Where the refs of a local repository are, looked up anew each time; undefined for a remote, which is polled. */
  readonly locate: (() => Promise<GitFolders>) | undefined;
  /** Full commit id of the ref. A remote is asked, and fetched from when the ref moved. `ref-not-found` (waiting) when it is not there yet. */
  head(): Promise<string>;
  /** `commit` is a full id that `head` or `resolve` gave. `source-too-large` (stalled) beyond the limits. */
  read(commit: string): Promise<Revision>;
  /** Full commit id of what a person names: branch, tag, commit, `HEAD`, `main~2`. `ref-not-found` or `invalid-ref` (invalid). */
  resolve(rev: string): Promise<string>;
  /** Whether `ancestor` is reachable from `descendant`; true for the same. False after a force-push. */
  isAncestor(ancestor: string, descendant: string): Promise<boolean>;
  /** Stops git commands that are under way. */
  close(): void;
}

/** Opens a source of specs; a remote is not contacted yet. */
export async function openRepository(options: RepositoryOptions): Promise<Repository> {
  const { url, ref, log } = options;
  const location = parseLocation(url);
  const path = normalisePath(options.path);
  checkRev(ref);
  const locate = location.kind === 'local' ? () => locateGitFolders(location.folder) : undefined;
  const gitDir = locate === undefined ? cacheFolderOf(options.cacheDir, url) : (await locate()).gitDir;
  const git = openGit({ gitDir, environment: options.environment ?? process.env });
  const remote =
    location.kind === 'remote' ? openRemoteCache({ url, gitDir, git, log, clock: options.clock }) : undefined;
  const name = forPeople(url);
  // Fetches of one copy never overlap: git's own locks would make one of them fail.
  let queue: Promise<unknown> = Promise.resolve();

  async function inOrder<T>(work: () => Promise<T>): Promise<T> {
    const turn = queue.then(work, work);
    queue = turn.catch(() => undefined);
    return turn;
  }

  async function head(): Promise<string> {
    if (locate !== undefined) await locate();
    const commit =
      remote === undefined || isFullId(ref)
        ? await findOrFetch(git, remote, ref)
        : await findCommit(git, await remote.refresh(ref));
    if (commit !== undefined) return commit;
    throw new QuorateError({
      code: 'ref-not-found',
      kind: 'waiting',
      operation: `find ${ref} in ${name}`,
      summary: 'no commit has this name yet, so there is nothing to apply',
      remedy: `Commit to ${ref}, or set git.ref to a branch that exists.`,
    });
  }

  async function resolveRev(rev: string): Promise<string> {
    checkRev(rev);
    const commit = remote === undefined ? await findCommit(git, rev) : await resolveRemote(git, remote, rev);
    if (commit !== undefined) return commit;
    throw new QuorateError({
      code: 'ref-not-found',
      kind: 'invalid',
      operation: `find ${forPeople(rev)} in ${name}`,
      summary: `${JSON.stringify(forPeople(rev))} names no commit`,
      remedy: 'Give a branch, a tag, HEAD or a commit id that exists in this repository.',
    });
  }

  return {
    name,
    ref,
    locate,
    head: () => inOrder(head),
    resolve: (rev) => inOrder(() => resolveRev(rev)),
    read: async (commit) => {
      checkId(commit);
      return readRevision(git, commit, path);
    },
    isAncestor: async (ancestor, descendant) => {
      checkId(ancestor);
      checkId(descendant);
      return isAncestorOf(git, ancestor, descendant);
    },
    close: () => git.close(),
  };
}

async function findOrFetch(git: Git, remote: RemoteCache | undefined, rev: string): Promise<string | undefined> {
  await remote?.prepare();
  const present = remote === undefined || isFullId(rev) ? await findCommit(git, rev) : undefined;
  if (present !== undefined || remote === undefined) return present;
  await remote.fetchAll();
  return findCommit(git, rev);
}

async function resolveRemote(git: Git, remote: RemoteCache, rev: string): Promise<string | undefined> {
  // HEAD of the copy means nothing; what is meant is the default branch of the remote.
  const suffix = /^HEAD([~^@].*)?$/.exec(rev);
  if (suffix !== null) return findCommit(git, `${await remote.refresh('HEAD')}${suffix[1] ?? ''}`);
  return findOrFetch(git, remote, rev);
}

/** A branch goes before a tag of the same name, so that nobody takes over a branch by pushing a tag. */
async function findCommit(git: Git, rev: string): Promise<string | undefined> {
  const isExact = isFullId(rev) || rev === 'HEAD' || rev.startsWith('refs/');
  for (const candidate of isExact ? [rev] : [`refs/heads/${rev}`, `refs/tags/${rev}`, rev]) {
    const outcome = await git.run(['rev-parse', '--verify', '--quiet', `${candidate}^{commit}`]);
    const id = outcome.stdout.toString('utf8').trim();
    if (outcome.exitCode === 0 && isFullId(id)) return id;
  }
  // Not found, or not readable at all? An intact repository still knows where it is.
  const self = await git.run(['rev-parse', '--git-dir']);
  if (self.exitCode === 0) return undefined;
  throw new QuorateError({
    code: 'source-unreadable',
    kind: 'transient',
    operation: `look for ${forPeople(rev)}`,
    summary: self.stderr,
    remedy: 'Check the repository with: git fsck',
  });
}

async function isAncestorOf(git: Git, ancestor: string, descendant: string): Promise<boolean> {
  const outcome = await git.run(['merge-base', '--is-ancestor', ancestor, descendant]);
  if (outcome.exitCode === 0) return true;
  if (outcome.exitCode === 1) return false;
  const isPresent = async (id: string): Promise<boolean> =>
    (await git.run(['cat-file', '-e', `${id}^{commit}`])).exitCode === 0;
  const shallow = await git.run(['rev-parse', '--is-shallow-repository']);
  // A full copy has every ancestor of what it has: a commit that is missing was rewritten away.
  if (
    shallow.stdout.toString('utf8').trim() === 'false' &&
    (await isPresent(descendant)) &&
    !(await isPresent(ancestor))
  )
    return false;
  throw new QuorateError({
    code: 'history-unreadable',
    kind: 'stalled',
    operation: `compare commits ${ancestor} and ${descendant}`,
    summary: `it cannot be told whether history was rewritten: ${outcome.stderr}`,
    remedy: 'For a shallow clone run: git fetch --unshallow   otherwise check the repository with: git fsck',
  });
}

function isFullId(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

function checkId(commit: string): void {
  if (!isFullId(commit))
    throw invalid('invalid-commit', `${JSON.stringify(forPeople(commit))} is not a full commit id`);
}

function checkRev(rev: string): void {
  if (rev === '' || rev.length > 250 || rev.startsWith('-') || /[\p{Cc}\s?*[\\]/u.test(rev) || rev.includes(':'))
    throw invalid('invalid-ref', `${JSON.stringify(forPeople(rev))} is not the name of a branch, a tag or a commit`);
}

function normalisePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (path.startsWith('/') || parts.includes('..') || /\p{Cc}/u.test(path))
    throw invalid('invalid-path', `${JSON.stringify(forPeople(path))} is not a folder inside the repository`);
  return parts.join('/');
}

function invalid(code: string, summary: string): QuorateError {
  return new QuorateError({ code, kind: 'invalid', operation: 'read the Git source', summary });
}
