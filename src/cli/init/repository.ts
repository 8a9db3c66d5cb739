import { simpleGit } from 'simple-git';
import { asQuorateError } from '../../base/errors.ts';

const gitTimeoutMs = 30_000;
/** Everything else of the surroundings is left out: a GIT_DIR there would send the commit elsewhere. */
const keptVariables = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'USER', 'LOGNAME', 'TMPDIR'] as const;

/**
 * Turns a folder into a Git repository with one commit of all that is in it, on branch main. Author is
 * whom the user's settings name, else `quorate`. Throws `git-failed`.
 */
export async function commitAll(
  folder: string,
  message: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const kept = keptVariables.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  try {
    const git = simpleGit({
      baseDir: folder,
      timeout: { block: gitTimeoutMs },
      // Hooks and signing of the user may ask questions or need a terminal.
      config: ['core.hooksPath=/dev/null', 'commit.gpgSign=false', 'gc.auto=0'],
      unsafe: { allowUnsafeHooksPath: true, allowUnsafeTemplateDir: true },
    }).env({ ...Object.fromEntries(kept), LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0' });
    await git.raw(['init', '--quiet', '--template=', '--initial-branch=main']);
    const [name, email] = [await git.getConfig('user.name'), await git.getConfig('user.email')];
    if (!name.value || !email.value) {
      await git.raw(['config', 'user.name', name.value || 'quorate']);
      await git.raw(['config', 'user.email', email.value || 'quorate@localhost']);
    }
    await git.raw(['add', '--all']);
    await git.raw(['commit', '--quiet', '--message', message]);
  } catch (error) {
    throw asQuorateError(error, {
      code: 'git-failed',
      kind: 'stalled',
      operation: `make the Git repository ${folder}`,
      remedy: 'Install git 2.30 or newer, and check that this user may write there.',
    });
  }
}
