import { join } from 'node:path';
import { watch } from 'chokidar';
import { describeError, QuorateError } from '../base/errors.ts';
import type { GitFolders } from './location.ts';

export interface RefWatcher {
  readonly identity: string;
  close(): Promise<void>;
}

/**
 * Tells when a ref of a local repository may have moved, by watching the files that git keeps refs in:
 * HEAD, loose refs, packed-refs and reftables. Too many calls are harmless, a missing one is not.
 */
export function watchRefs(options: {
  readonly folders: GitFolders;
  readonly ref: string;
  readonly onTouched: () => void;
  readonly onError: (error: QuorateError) => void;
}): RefWatcher {
  const { folders, ref, onTouched } = options;
  const isWatched = watchedPaths(folders, ref);
  const watcher = watch([...new Set([folders.gitDir, folders.commonDir])], {
    ignored: (path) => !isWatched(path),
    ignoreInitial: true,
    followSymlinks: false,
    // git replaces files by rename; waiting for the other half of it would only cost time.
    atomic: false,
  });
  watcher.on('all', onTouched);
  // The events below chokidar's own bookkeeping: nothing that it sorts out can be lost.
  watcher.on('raw', (_event, path) => {
    if (!path.endsWith('.lock')) onTouched();
  });
  // Changes while the watch was being set up are only seen by looking again.
  watcher.on('ready', onTouched);
  watcher.on('error', (error) =>
    options.onError(
      new QuorateError({
        code: 'watch-failed',
        kind: 'transient',
        operation: `watch ${folders.commonDir}`,
        summary: `commits are noticed by polling only: ${describeError(error)}`,
        remedy: 'When the limit of watches is reached, raise fs.inotify.max_user_watches.',
        cause: error,
      }),
    ),
  );
  return { identity: folders.identity, close: () => watcher.close() };
}

/** Only what the ref can be stored in: a clone may have tens of thousands of other refs. */
function watchedPaths({ gitDir, commonDir }: GitFolders, ref: string): (path: string) => boolean {
  const refs = join(commonDir, 'refs');
  const isPlainName = /^[\w./-]+$/.test(ref) && ref !== 'HEAD';
  // The places that git looks at, see gitrevisions(7).
  const places = isPlainName
    ? ['', 'refs', 'refs/heads', 'refs/tags', 'refs/remotes'].map((prefix) => join(commonDir, prefix, ref))
    : [];
  const exact = new Set([
    gitDir,
    commonDir,
    refs,
    join(gitDir, 'HEAD'),
    join(commonDir, 'HEAD'),
    join(commonDir, 'packed-refs'),
    ...places,
  ]);
  return (path) =>
    exact.has(path) ||
    `${path}/`.startsWith(join(commonDir, 'reftable/')) ||
    (isPlainName
      ? places.some((place) => place.startsWith(`${path}/`) && path.startsWith(refs))
      : path.startsWith(join(refs, 'heads')) && !path.endsWith('.lock'));
}
