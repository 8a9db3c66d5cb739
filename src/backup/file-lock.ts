import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, open, rm, stat, unlink } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { QuorateError, systemErrorCode } from '../base/errors.ts';
import { waitUntil } from '../base/wait.ts';
import { fateOf, ownIdentity } from './writer-identity.ts';

/** What a lock guards takes milliseconds; a holder on another machine that is silent for so long is dead. */
const staleAfterMs = 60_000;
const waitMs = 10_000;
const pollMs = 10;
const maxLockBytes = 4096;

/**
 * Does something while holding a lock file, which works across processes and, on a shared file
 * system, across machines. A lock of a dead holder is broken. `stillHeld` has to be asked just before
 * the act that must not happen twice. Rejects with `store-busy` after ten seconds.
 */
export async function withFileLock<T>(
  path: string,
  clock: Clock,
  act: (stillHeld: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const content = JSON.stringify({ ...(await ownIdentity()), token: randomBytes(12).toString('hex') });
  const own = `${path}.${randomBytes(8).toString('hex')}`;
  // Linked into place, so that a lock is never seen half written.
  const handle = await open(own, 'wx', 0o600);
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
  try {
    const taken = await waitUntil(clock, { timeoutMs: waitMs, intervalMs: pollMs }, async () => {
      if (await tryLink(own, path)) return true;
      await breakIfStale(path, own);
      return undefined;
    });
    if (!taken.seen) throw busy(path, await readLock(path));
    try {
      return await act(async () => (await readLock(path)) === content);
    } finally {
      if ((await readLock(path)) === content) await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function breakIfStale(path: string, own: string): Promise<void> {
  const judged = await readLock(path);
  if (judged === undefined || !(await isStale(path, own, judged))) return;
  // One breaker at a time: it looks again, so that the lock removed is the one that was judged.
  const breaking = `${path}.breaking`;
  if (!(await tryLink(own, breaking))) {
    if ((await ageMs(breaking, own)) > staleAfterMs) await rm(breaking, { force: true });
    return;
  }
  try {
    if ((await readLock(path)) === judged) await unlink(path);
  } finally {
    await rm(breaking, { force: true });
  }
}

async function isStale(path: string, own: string, content: string): Promise<boolean> {
  const holder = parseHolder(content);
  const fate = holder === undefined ? 'unknown' : await fateOf(holder);
  return fate === 'unknown' ? (await ageMs(path, own)) > staleAfterMs : fate === 'dead';
}

/** Both times come from the file system, so that the clocks of two machines do not matter. */
async function ageMs(path: string, own: string): Promise<number> {
  try {
    const [theirs, ours] = await Promise.all([stat(path), stat(own)]);
    return ours.mtimeMs - theirs.mtimeMs;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

async function readLock(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxLockBytes), 0, maxLockBytes, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseHolder(content: string): { realm: string; pid: number; startTicks: string } | undefined {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('realm' in value && 'pid' in value && 'startTicks' in value)) return undefined;
    const { realm, pid, startTicks } = value;
    if (typeof realm !== 'string' || typeof pid !== 'number' || typeof startTicks !== 'string') return undefined;
    return { realm, pid, startTicks };
  } catch {
    return undefined;
  }
}

function busy(path: string, content: string | undefined): QuorateError {
  const holder = content === undefined ? undefined : parseHolder(content);
  return new QuorateError({
    code: 'store-busy',
    kind: 'transient',
    operation: 'lock an object of the backup store',
    summary: `another writer${holder === undefined ? '' : ` (process ${holder.pid})`} has held ${path} for over ${waitMs / 1000} s`,
    remedy: 'It passes when that writer is done or dead; a stopped process has to be continued or killed.',
  });
}
