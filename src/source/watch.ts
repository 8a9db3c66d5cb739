import type { Clock } from '../base/clock.ts';
import { asQuorateError, type QuorateError } from '../base/errors.ts';
import { type RefWatcher, watchRefs } from './ref-watcher.ts';
import type { Repository } from './repository.ts';

export interface WatchOptions {
  readonly repository: Pick<Repository, 'name' | 'ref' | 'locate' | 'head'>;
  /** Remote: pause between two looks. Local: pause of the safety look, changes are noticed by watching. */
  readonly pollMs: number;
  readonly clock: Clock;
  /** The ref is at another commit than last told; the first commit is told too. Must not throw. */
  readonly onChange: (commit: string) => void;
  /** Every look that failed; looking goes on by itself. Must not throw. */
  readonly onError: (error: QuorateError) => void;
  /** Between 0 and 1; spreads the polls of many controllers. */
  readonly random: () => number;
}

export interface RepositoryWatch {
  /** Look at once: a webhook came in, or a person asked. During a look, another one follows. */
  poke(): void;
  /** Ends after a look that is under way (`Repository.close` cuts that short); nothing is told afterwards. */
  close(): Promise<void>;
}

// A remote that is away is asked less and less often, but within five minutes of its return.
const maxBackoffMs = 5 * 60_000;
// A local look takes a few milliseconds, so a watch that failed is made up for by looking often.
const unwatchedPollMs = 1000;

/** Tells each new head of a repository. Looks never overlap, and a change during a look causes another one. */
export function watchRepository(options: WatchOptions): RepositoryWatch {
  const { repository, pollMs, clock, random } = options;
  let isClosed = false;
  let isPoked = false;
  let wake = new AbortController();
  let watcher: RefWatcher | undefined;
  let hasWatchFailed = false;
  let lastCommit: string | undefined;
  let failures = 0;

  function poke(): void {
    isPoked = true;
    wake.abort();
  }

  /** Watches the git dirs; anew when the repository was deleted and made again. */
  async function attach(locate: NonNullable<Repository['locate']>): Promise<void> {
    const folders = await locate();
    if (watcher?.identity === folders.identity) return;
    await watcher?.close();
    hasWatchFailed = false;
    watcher = watchRefs({
      folders,
      ref: repository.ref,
      onTouched: poke,
      onError: (error) => {
        hasWatchFailed = true;
        if (!isClosed) options.onError(error);
      },
    });
  }

  async function look(): Promise<void> {
    try {
      if (repository.locate !== undefined) await attach(repository.locate);
      const commit = await repository.head();
      failures = 0;
      if (isClosed || commit === lastCommit) return;
      lastCommit = commit;
      options.onChange(commit);
    } catch (error) {
      failures++;
      if (isClosed) return;
      options.onError(
        asQuorateError(error, {
          code: 'source-unreadable',
          kind: 'transient',
          operation: `look at ${repository.name}`,
        }),
      );
    }
  }

  function pauseMs(): number {
    const isLocal = repository.locate !== undefined;
    const normalMs = isLocal && (hasWatchFailed || failures > 0) ? Math.min(pollMs, unwatchedPollMs) : pollMs;
    // 2^10 times any interval is beyond the bound.
    const backedOffMs = normalMs * 2 ** Math.min(Math.max(failures - 1, 0), 10);
    const boundMs = isLocal ? pollMs : Math.max(pollMs, maxBackoffMs);
    return Math.max(1, Math.min(backedOffMs, Math.max(boundMs, normalMs)) * (0.9 + 0.2 * random()));
  }

  async function run(): Promise<void> {
    while (!isClosed) {
      isPoked = false;
      wake = new AbortController();
      await look();
      if (isClosed || isPoked) continue;
      await clock.sleep(pauseMs(), wake.signal).catch(() => undefined);
    }
    await watcher?.close();
  }

  const ended = run();
  return {
    poke,
    close: async () => {
      isClosed = true;
      wake.abort();
      await ended;
    },
  };
}
