import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { formatTime } from '../base/clock.ts';
import { asQuorateError, describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { CachedRelease } from './binaries/cache.ts';
import { BinaryCache } from './binaries/cache.ts';
import { createDebianSource } from './binaries/debian.ts';
import { askVersion, BinaryFolders, programBeside } from './binaries/folders.ts';
import { createGoSource } from './binaries/go.ts';
import { createReleaseSource } from './binaries/release.ts';
import type { BinarySource, BinarySourceName } from './binaries/source.ts';
import { versionPattern } from './binaries/source.ts';

/** A release that can be started without fetching. */
export interface BinaryFact {
  readonly version: string;
  readonly path: string;
  /** The folder that it was found in, or the source that it was fetched from. */
  readonly source: string;
}

/** The etcd releases of one machine. */
export interface Binaries {
  /** What can be started without fetching, newest first, one per version: folders win over the cache. */
  list(): Promise<readonly BinaryFact[]>;
  /**
   * Gives a release, fetching it when no folder and no cache has it. Calls for the same version share one fetch,
   * which is given up when all its callers have aborted. Errors: `version-malformed`, `binary-unavailable`
   * (with what each source said), `disk-full`, or the signal's reason.
   */
  ensure(version: string, signal?: AbortSignal): Promise<EtcdBinary>;
}

export interface EtcdBinary {
  readonly version: string;
  /** Absolute paths; null where the release has no such program. */
  readonly etcd: string;
  readonly etcdctl: string | null;
  readonly etcdutl: string | null;
  /** The folder that it was found in, or the source that it was fetched from. */
  readonly source: string;
}

export interface BinariesOptions {
  /** Folders that the operator trusts; PATH is always looked at after them. */
  readonly dirs: readonly string[];
  /** Tried in this order; empty: nothing is ever fetched. */
  readonly sources: readonly BinarySourceName[];
  /** Fetched releases go to `<cacheDir>/etcd/<version>/`. */
  readonly cacheDir: string;
  /** Base URL of a mirror of etcd's release archives; `/v3.5.16/…` is appended. */
  readonly releaseUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes lines for people while something is fetched. */
  readonly progress?: ((line: string) => void) | undefined;
}

export function createBinaries(options: BinariesOptions): Binaries {
  const folders = new BinaryFolders(options.dirs, options.log);
  const cache = new BinaryCache(options.cacheDir, options.clock);
  const fetches = new Map<string, SharedFetch>();
  return {
    list: async () => await listAll(folders, cache),
    ensure: async (version, signal) => {
      signal?.throwIfAborted();
      checkVersion(version);
      const local = await findLocal(version, folders, cache, signal);
      return local ?? (await sharedFetch(version, options, cache, fetches, signal));
    },
  };
}

async function listAll(folders: BinaryFolders, cache: BinaryCache): Promise<readonly BinaryFact[]> {
  const facts = new Map<string, BinaryFact>();
  const all = [
    ...(await folders.list()).map(({ version, path, folder }) => ({ version, path, source: folder })),
    ...(await cache.list()).map(({ folder, record }) => ({
      version: record.version,
      path: join(folder, 'etcd'),
      source: record.source,
    })),
  ];
  for (const fact of all) if (!facts.has(fact.version)) facts.set(fact.version, fact);
  return [...facts.values()].toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
}

async function findLocal(
  version: string,
  folders: BinaryFolders,
  cache: BinaryCache,
  signal: AbortSignal | undefined,
): Promise<EtcdBinary | undefined> {
  const found = (await folders.list(signal)).find((candidate) => candidate.version === version);
  if (found !== undefined) {
    const etcdctl = await programBeside(found.path, 'etcdctl');
    const etcdutl = await programBeside(found.path, 'etcdutl');
    return { version, etcd: found.path, etcdctl, etcdutl, source: found.folder };
  }
  const cached = await cache.find(version);
  return cached === undefined ? undefined : fromCache(cached);
}

function fromCache({ folder, record }: CachedRelease): EtcdBinary {
  const path = (program: 'etcdctl' | 'etcdutl'): string | null =>
    record.programs[program] === undefined ? null : join(folder, program);
  return {
    version: record.version,
    etcd: join(folder, 'etcd'),
    etcdctl: path('etcdctl'),
    etcdutl: path('etcdutl'),
    source: record.source,
  };
}

interface SharedFetch {
  readonly result: Promise<EtcdBinary>;
  readonly abort: AbortController;
  callers: number;
}

async function sharedFetch(
  version: string,
  options: BinariesOptions,
  cache: BinaryCache,
  fetches: Map<string, SharedFetch>,
  signal: AbortSignal | undefined,
): Promise<EtcdBinary> {
  // It may have aborted while folders were looked at, and would not say so again.
  signal?.throwIfAborted();
  let shared = fetches.get(version);
  if (shared === undefined) {
    const abort = new AbortController();
    const result = fetchFromSources(version, options, cache, abort.signal).finally(() => fetches.delete(version));
    shared = { result, abort, callers: 0 };
    fetches.set(version, shared);
  }
  const fetching = shared;
  fetching.callers++;
  let leave: (() => void) | undefined;
  try {
    if (signal === undefined) return await fetching.result;
    const aborted = new Promise<never>((_resolve, reject) => {
      leave = () => reject(abortError(signal));
      signal.addEventListener('abort', leave, { once: true });
    });
    return await Promise.race([fetching.result, aborted]);
  } finally {
    if (leave !== undefined) signal?.removeEventListener('abort', leave);
    fetching.callers--;
    if (fetching.callers === 0 && signal?.aborted === true) {
      fetches.delete(version);
      fetching.abort.abort(signal.reason);
      // The abort is done when nothing of the fetch is left, neither a process nor a file.
      await fetching.result.catch(() => undefined);
    }
  }
}

function abortError(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(describeError(reason));
}

async function fetchFromSources(
  version: string,
  options: BinariesOptions,
  cache: BinaryCache,
  signal: AbortSignal,
): Promise<EtcdBinary> {
  const failures: QuorateError[] = [];
  for (const name of options.sources) {
    const startedMs = options.clock.monotonic();
    try {
      const binary = await fetchFrom(createSource(name, options), version, options, cache, signal);
      const tookMs = Math.round(options.clock.monotonic() - startedMs);
      options.log.info({ version, source: name, tookMs }, 'etcd release fetched');
      return binary;
    } catch (error) {
      signal.throwIfAborted();
      const operation = `fetch etcd ${version} from ${name}`;
      if (isDiskFull(error)) throw diskFull(operation, options.cacheDir, error);
      const failure = asQuorateError(error, { code: 'fetch-failed', kind: 'transient', operation });
      options.log.warn({ version, source: name, code: failure.code, reason: failure.summary }, 'a source failed');
      options.progress?.(`${name}: ${failure.summary}`);
      failures.push(failure);
    }
  }
  throw unavailable(version, options, failures);
}

async function fetchFrom(
  source: BinarySource,
  version: string,
  options: BinariesOptions,
  cache: BinaryCache,
  signal: AbortSignal,
): Promise<EtcdBinary> {
  const workspace = await cache.openWorkspace();
  try {
    const into = join(workspace, 'release');
    const progress = options.progress ?? (() => undefined);
    const origin = await source.fetch({ version, into, scratch: join(workspace, 'scratch'), signal, progress });
    const actual = await versionOfFetched(join(into, 'etcd'), source.name, signal);
    if (actual !== version) {
      throw new QuorateError({
        code: 'wrong-version',
        kind: 'stalled',
        operation: `check etcd ${version} from ${source.name}`,
        summary: `the program that was fetched says it is ${actual}`,
        remedy: 'the source is wrong about its content: do not use it',
      });
    }
    const fetchedAt = formatTime(options.clock.now());
    return fromCache(await cache.install(workspace, { version, source: source.name, origin, fetchedAt }));
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

/** The first time that something fetched is run: its checksum or signature has been verified by its source. */
async function versionOfFetched(etcd: string, source: BinarySourceName, signal: AbortSignal): Promise<string> {
  try {
    await chmod(etcd, 0o755);
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error;
    throw new QuorateError({
      code: 'program-missing',
      kind: 'stalled',
      operation: `check what came from ${source}`,
      summary: 'there is no etcd in it',
      remedy: 'the source is damaged or not a source of etcd: take another one',
      cause: error,
    });
  }
  return await askVersion(etcd, signal);
}

function createSource(name: BinarySourceName, options: BinariesOptions): BinarySource {
  if (name === 'release') return createReleaseSource({ url: options.releaseUrl });
  return name === 'debian' ? createDebianSource() : createGoSource({ cacheDir: options.cacheDir });
}

function checkVersion(version: string): void {
  if (versionPattern.test(version)) return;
  throw new QuorateError({
    code: 'version-malformed',
    kind: 'invalid',
    operation: 'look for an etcd release',
    summary: `${JSON.stringify(version.slice(0, 40))} is not a version of etcd`,
    remedy: 'write it as in 3.5.33, without a v',
  });
}

function isDiskFull(error: unknown): boolean {
  return /ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i.test(describeError(error));
}

function diskFull(operation: string, cacheDir: string, cause: unknown): QuorateError {
  return new QuorateError({
    code: 'disk-full',
    kind: 'stalled',
    operation,
    summary: `there is no space left for it in ${cacheDir}; what had been fetched was removed again`,
    remedy: "free some 500 MB there (a build with Go needs 2 GB, part of it in Go's own caches) and try again",
    cause,
  });
}

function unavailable(version: string, options: BinariesOptions, failures: readonly QuorateError[]): QuorateError {
  const lines = failures.map((failure, index) => {
    const remedy = failure.remedy === undefined ? '' : ` — ${failure.remedy}`;
    return `${options.sources[index]}: ${failure.summary} (${failure.code})${remedy}`;
  });
  const dirs = [...options.dirs, 'PATH'].join(', ');
  const tried = lines.length === 0 ? 'No sources are configured.' : `Sources tried: ${lines.join('; ')}.`;
  return new QuorateError({
    code: 'binary-unavailable',
    kind: failures.some((failure) => failure.kind === 'transient') ? 'transient' : 'stalled',
    operation: `get etcd ${version}`,
    summary: `etcd ${version} is neither in ${dirs} nor in ${options.cacheDir}. ${tried}`,
    remedy: `unpack the release into ${options.dirs[0] ?? 'a configured folder'}/etcd-v${version}/, or mend one of the sources`,
    cause: failures.length === 0 ? undefined : new AggregateError(failures, 'every source failed'),
  });
}
