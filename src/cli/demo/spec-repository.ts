import { readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type SimpleGit, simpleGit } from 'simple-git';
import { asQuorateError, QuorateError } from '../../base/errors.ts';

const gitTimeoutMs = 30_000;
const keptVariables = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'USER', 'LOGNAME', 'TMPDIR'] as const;

/** A change of one cluster's file, not yet in force. */
export interface Proposal {
  readonly branch: string;
  /** What a person would have typed after the edit. */
  readonly command: string;
  readonly commit: string;
  /** Added and removed lines with their signs; comments are left out. */
  readonly diff: readonly string[];
}

/** The Git repository that `quorate init` made: main is in force, a change stands on a branch until it is merged. */
export class SpecRepository {
  /** Of the cluster's file, absolute. */
  readonly file: string;
  readonly folder: string;
  readonly #path: string;
  readonly #git: SimpleGit;

  constructor(folder: string, cluster: string) {
    this.folder = folder;
    this.#path = `clusters/${cluster}.yaml`;
    this.file = join(folder, this.#path);
    const kept = keptVariables.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    this.#git = simpleGit({
      baseDir: folder,
      timeout: { block: gitTimeoutMs },
      // Hooks and signing of the user may ask questions or need a terminal.
      config: ['core.hooksPath=/dev/null', 'commit.gpgSign=false', 'gc.auto=0'],
      unsafe: { allowUnsafeHooksPath: true },
    }).env({ ...Object.fromEntries(kept), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' });
  }

  async read(): Promise<string> {
    return readFile(this.file, 'utf8');
  }

  head(): Promise<string> {
    return this.#run('rev-parse', 'HEAD');
  }

  /** Takes the spec out of the only commit, so that creating the cluster is a commit of its own. */
  async withoutSpec(message: string): Promise<void> {
    await rm(this.file, { force: true });
    // Git keeps no empty folders, and the place where specs go should be seen.
    await writeFile(join(dirname(this.file), '.gitkeep'), '');
    await this.#run('add', '--all');
    await this.#run('commit', '--quiet', '--amend', '--message', message);
  }

  /** Commits a new text of the spec on a branch of its own. */
  async propose(branch: string, message: string, content: string): Promise<Proposal> {
    await this.#run('switch', '--quiet', '--create', branch);
    await writeFile(this.file, content);
    await this.#run('add', '--all');
    await this.#run('commit', '--quiet', '--message', message);
    return this.#describe(branch, `git switch -c ${branch} && git commit -am '${message}'`);
  }

  /** A branch that takes the newest commit of main back. */
  async proposeRevert(branch: string): Promise<Proposal> {
    await this.#run('switch', '--quiet', '--create', branch);
    await this.#run('revert', '--no-edit', 'HEAD');
    return this.#describe(branch, `git switch -c ${branch} && git revert HEAD`);
  }

  /** From here on it is in force. */
  async merge(proposal: Proposal): Promise<void> {
    await this.#run('merge', '--quiet', '--ff-only', proposal.branch);
  }

  async #describe(branch: string, command: string): Promise<Proposal> {
    const patch = await this.#run('diff', '--unified=0', 'HEAD~1', 'HEAD', '--', this.#path);
    const diff = patch.split('\n').filter((line) => /^[+-] /.test(line) && !/^[+-]\s*(#|$)/.test(line));
    const commit = await this.head();
    await this.#run('switch', '--quiet', 'main');
    return { branch, command, commit, diff };
  }

  async #run(...args: string[]): Promise<string> {
    try {
      return (await this.#git.raw(args)).trimEnd();
    } catch (error) {
      throw asQuorateError(error, {
        code: 'git-failed',
        kind: 'stalled',
        operation: `git ${args.slice(0, 2).join(' ')} in ${this.folder}`,
        remedy: 'Install git 2.30 or newer.',
      });
    }
  }
}

/** Replaces what must be there exactly once; throws `edit-failed` otherwise. */
export function edited(content: string, pattern: RegExp, replacement: string): string {
  const matches = content.match(new RegExp(pattern.source, 'gm'))?.length ?? 0;
  if (matches === 1) return content.replace(new RegExp(pattern.source, 'm'), replacement);
  throw new QuorateError({
    code: 'edit-failed',
    kind: 'invalid',
    operation: 'edit the spec',
    summary: `/${pattern.source}/ is there ${matches} times instead of once`,
  });
}
