import { QuorateError } from '../../base/errors.ts';

/** Where binaries can be fetched from. */
export const binarySources = ['release', 'debian', 'go'] as const;
export type BinarySourceName = (typeof binarySources)[number];

/** The programs of a release; `etcd` is always there, the others where the release and the source have them. */
export const programs = ['etcd', 'etcdctl', 'etcdutl'] as const;
export type Program = (typeof programs)[number];

/** One way to get the programs of a release. */
export interface BinarySource {
  readonly name: BinarySourceName;
  /**
   * Fetches and checks the programs and leaves them in `request.into`, named as in `programs`. Scratch files may
   * stay in `request.scratch`, which the caller removes. Gives a line on where they come from and how they were checked.
   */
  fetch(request: FetchRequest): Promise<string>;
}

export interface FetchRequest {
  /** `3.5.16`, without `v`. */
  readonly version: string;
  /** Empty folder on the file system of the cache. */
  readonly into: string;
  /** Empty folder for everything else. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Takes a line for people. */
  readonly progress: (line: string) => void;
}

/** A version as etcd prints it. Also keeps `..` and the like out of paths and commands. */
export const versionPattern = /^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(-(alpha|beta|rc)\.\d{1,3})?$/;

/** The error of one source; `code` is kept for tests and callers, the remedy for people. */
export function sourceError(
  source: BinarySourceName,
  version: string,
  fields: { readonly code: string; readonly summary: string; readonly remedy: string; readonly cause?: unknown },
): QuorateError {
  return new QuorateError({ kind: 'stalled', operation: `fetch etcd ${version} from ${source}`, ...fields });
}

/** `amd64` or `arm64`, as etcd's releases, Debian and Go all call them; undefined for what they do not build. */
export function machineArchitecture(): 'amd64' | 'arm64' | undefined {
  if (process.arch === 'x64') return 'amd64';
  return process.arch === 'arm64' ? 'arm64' : undefined;
}

export function isBinarySource(name: string): name is BinarySourceName {
  return binarySources.some((source) => source === name);
}
