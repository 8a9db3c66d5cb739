import { readFile, realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { QuorateError, systemErrorCode } from '../base/errors.ts';
import { readFileIfExists } from '../base/files.ts';
import { forPeople } from './git.ts';

export type SourceLocation =
  | { readonly kind: 'local'; readonly folder: string }
  | { readonly kind: 'remote'; readonly url: string };

/** `./repo` and `/srv/repo` are local; ssh://, https://, file:// and `user@host:path` are remote. */
export function parseLocation(url: string): SourceLocation {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  // As git reads it: a colon before the first slash names a host.
  const isScpLike = scheme === undefined && /^[^/]+:/.test(url);
  const isAllowed =
    scheme === undefined ? !isScpLike || !/^[^/:]+::/.test(url) : ['ssh', 'https', 'file'].includes(scheme);
  if (url === '' || url.startsWith('-') || /\p{Cc}/u.test(url) || !isAllowed)
    throw new QuorateError({
      code: 'invalid-git-url',
      kind: 'invalid',
      operation: 'open the Git source',
      summary: `${JSON.stringify(forPeople(url))} is not a place that specs can be read from`,
      remedy: 'Give a local path (./repo), or a URL that begins with ssh://, https:// or file://, or user@host:path.',
    });
  return scheme !== undefined || isScpLike ? { kind: 'remote', url } : { kind: 'local', folder: resolve(url) };
}

export interface GitFolders {
  /** HEAD lives here; differs from `commonDir` in a linked worktree. */
  readonly gitDir: string;
  /** Refs and objects live here. */
  readonly commonDir: string;
  /** Changes when a folder is deleted and made anew under the same name. */
  readonly identity: string;
}

/**
 * Finds the git dir of a checkout, a linked worktree, a submodule or a bare repository. Parent folders
 * are not searched: a missing `./repo` must not turn into the repository that happens to surround it.
 */
export async function locateGitFolders(folder: string): Promise<GitFolders> {
  try {
    // Real paths, because watches do not follow links.
    const gitDir = await realpath(await findGitDir(folder));
    const common = await readFileIfExists(resolve(gitDir, 'commondir'));
    const commonDir = common === undefined ? gitDir : await realpath(resolve(gitDir, common.trim()));
    const stats = await Promise.all([stat(gitDir), stat(commonDir), stat(resolve(commonDir, 'objects'))]);
    const identity = stats
      .slice(0, 2)
      .map(({ dev, ino }) => `${dev}:${ino}`)
      .join(' ');
    return { gitDir, commonDir, identity: `${gitDir} ${commonDir} ${identity}` };
  } catch (error) {
    throw new QuorateError({
      code: 'source-unreadable',
      kind: 'transient',
      operation: `open the Git repository ${folder}`,
      summary:
        systemErrorCode(error) === 'ENOENT'
          ? 'there is no Git repository here, neither a checkout nor a bare one'
          : `it cannot be read: ${forPeople(String(error))}`,
      remedy: `Make one with: git init ${folder}   or set git.url to the root of the repository.`,
      cause: error,
    });
  }
}

async function findGitDir(folder: string): Promise<string> {
  const inside = resolve(folder, '.git');
  try {
    if ((await stat(inside)).isDirectory()) return inside;
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    await stat(resolve(folder, 'HEAD'));
    return folder;
  }
  const target = /^gitdir: (.+)\n?$/.exec(await readFile(inside, 'utf8'))?.[1];
  if (target === undefined) throw new Error(`${inside} is neither a folder nor a gitdir file`);
  return resolve(folder, target);
}
