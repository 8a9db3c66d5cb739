import { readdir, readFile } from 'node:fs/promises';

/** The variable by which a git process and all its helpers are found again. */
export const callVariable = 'QUORATE_GIT_CALL';

/**
 * Kills what carries this mark in its environment. git's transport helpers (https, ssh) outlive a git that
 * was told to end while its server is silent; they would pile up. Without /proc nothing is done: then
 * the helpers end by their own time limits.
 */
export async function killMarked(mark: string): Promise<void> {
  const wanted = `${callVariable}=${mark}`;
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  await Promise.all(
    pids.map(async (pid) => {
      try {
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
        if (environment.split('\0').includes(wanted)) process.kill(pid, 'SIGKILL');
      } catch {
        // Ended meanwhile, or another user's: not ours.
      }
    }),
  );
}
