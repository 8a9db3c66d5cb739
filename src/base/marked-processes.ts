import { readdir, readFile } from 'node:fs/promises';

/**
 * Kills what carries `variable=mark` in its environment, which children inherit. Without /proc nothing is done:
 * then they end by their own time limits.
 */
export async function killMarked(variable: string, mark: string): Promise<void> {
  const wanted = `${variable}=${mark}`;
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
