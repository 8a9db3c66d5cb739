import { fileURLToPath } from 'node:url';
import { type ConfigFile, readConfigFile } from '../spec/config-file.ts';
import type { Finding } from '../spec/finding.ts';
import { type ListenAddress, parseListenAddress } from '../spec/listen-address.ts';
import { compileSchema } from '../spec/schema.ts';
import { durationMs } from '../spec/values.ts';
import type { ControllerFile } from './config.generated.ts';

/** `controller.yaml` with defaults filled in; every path is absolute. */
export interface ControllerConfig {
  /** The file that this was read from. */
  readonly file: string;
  readonly git: GitConfig;
  /** Folder of authorities, leases and last good specs. */
  readonly state: string;
  readonly identity: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Releases of etcd for drills. */
  readonly binaries: {
    /** Folders that are searched before anything is fetched. */
    readonly dirs: readonly string[];
    /** Where releases are fetched from, in this order; empty: nothing is fetched. */
    readonly sources: readonly ('release' | 'debian' | 'go')[];
    /** Base URL of a mirror of the official archives, without a slash at its end. */
    readonly releaseUrl?: string;
  };
  /** Absent: no status page and API. Port 0: any free one. */
  readonly http?: ListenAddress;
  readonly coordination: { readonly type: 'local' };
  /** Absent: keys of authorities rely on file permissions alone. */
  readonly keystore?: { readonly passphraseFile: string };
  readonly log: { readonly level: ControllerFile['log']['level'] };
  /** How often each cluster is looked at when nothing has changed, milliseconds; 1 s to 1 h. */
  readonly intervalMs: number;
}

export interface GitConfig {
  /** Absolute path of a local repository, or the URL of a remote one. */
  readonly url: string;
  readonly isLocal: boolean;
  readonly ref: string;
  /** Folder in the repository; `.` for all of it. */
  readonly path: string;
  /** For remote repositories, milliseconds; 1 s to 1 d. */
  readonly pollMs: number;
}

const validate = compileSchema<ControllerFile>('controller');

/** Rejects with a QuorateError of kind `invalid`; its summary holds every finding with its line and column. */
export async function loadControllerConfig(path: string): Promise<ControllerConfig> {
  const config = await readConfigFile(path, validate, checkGitUrl);
  const { file, value, absolute } = config;
  return {
    file,
    git: toGitConfig(config),
    state: absolute(value.state),
    identity: {
      ca: absolute(value.identity.ca),
      cert: absolute(value.identity.cert),
      key: absolute(value.identity.key),
    },
    binaries: {
      dirs: value.binaries.dirs.map((folder) => absolute(folder)),
      sources: [...value.binaries.sources],
      ...(value.binaries.releaseUrl === undefined ? {} : { releaseUrl: value.binaries.releaseUrl.replace(/\/+$/, '') }),
    },
    ...(value.http === undefined ? {} : { http: parseListenAddress(value.http.listen) }),
    coordination: { type: value.coordination.type },
    ...(value.keystore === undefined ? {} : { keystore: { passphraseFile: absolute(value.keystore.passphraseFile) } }),
    log: { level: value.log.level },
    intervalMs: durationMs(value.interval),
  };
}

function toGitConfig({ value: { git }, absolute }: ConfigFile<ControllerFile>): GitConfig {
  const isLocal = isLocalUrl(git.url);
  const folder = git.url.startsWith('file:') ? fileURLToPath(git.url) : git.url;
  return {
    url: isLocal ? absolute(folder) : git.url,
    isLocal,
    ref: git.ref,
    path: git.path,
    pollMs: durationMs(git.poll),
  };
}

/** Git's own rule: a scheme, or `host:path` without a slash before the colon, is remote. */
function isLocalUrl(url: string): boolean {
  return url.startsWith('file:') || !(/^[a-z][a-z0-9+.-]*:\/\//i.test(url) || /^[^/]+:/.test(url));
}

function checkGitUrl({ git }: ControllerFile): readonly Finding[] {
  const problem = gitUrlProblem(git.url);
  if (problem === undefined) return [];
  return [
    { code: 'invalid-git-url', summary: 'Not a repository that can be read', detail: problem, pointer: '/git/url' },
  ];
}

function gitUrlProblem(url: string): string | undefined {
  if (url.includes('::'))
    return 'Remote helpers ("name::address") run other programs and are refused. Use a folder, ssh or https.';
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/@:]*:[^/@]*@/i.test(url))
    return 'The URL holds a password, which would be seen by everyone who can read this file or the list of processes. Use an ssh key or a credential helper of Git.';
  if (/^file:/i.test(url))
    return /^file:\/\/\/[^?#%]+$/.test(url) ? undefined : 'A file URL must be file:///folder. Write the folder alone.';
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== undefined && !['ssh', 'https', 'http'].includes(scheme))
    return `${scheme} is not a protocol that is allowed. Use a folder, ssh or https.`;
  return undefined;
}
