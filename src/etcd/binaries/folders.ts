import { access, constants, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { runTool } from './tool.ts';

export interface FoundBinary {
  readonly version: string;
  readonly path: string;
  /** The folder that it stands in. */
  readonly folder: string;
}

// A folder with more releases than this is not one that a person keeps.
const maxReleasesPerFolder = 200;

/**
 * Looks for etcd in folders that the operator trusts: `DIR/etcd-v3.5.16…/etcd`, `DIR/etcd`, and the folders of PATH.
 * A program is asked for its version once, until its file changes.
 */
export class BinaryFolders {
  readonly #dirs: readonly string[];
  readonly #log: Logger;
  readonly #versions = new Map<string, { readonly signature: string; readonly version: string | undefined }>();

  constructor(dirs: readonly string[], log: Logger) {
    this.#dirs = dirs;
    this.#log = log;
  }

  /** In the order of the folders, configured ones before PATH. */
  async list(signal?: AbortSignal): Promise<readonly FoundBinary[]> {
    const found: FoundBinary[] = [];
    for (const path of await this.#candidates()) {
      const version = await this.#versionOf(path, signal);
      if (version !== undefined) found.push({ version, path, folder: dirname(path) });
    }
    return found;
  }

  async #candidates(): Promise<readonly string[]> {
    const paths: string[] = [];
    for (const dir of this.#dirs) {
      const names = await readdir(dir).catch((error: unknown) => {
        this.#log.debug({ dir, reason: systemErrorCode(error) }, 'folder of etcd releases cannot be read');
        return [];
      });
      const releases = names.filter((name) => /^etcd-v\d/.test(name)).toSorted();
      for (const name of releases.slice(0, maxReleasesPerFolder)) paths.push(join(dir, name, 'etcd'));
      paths.push(join(dir, 'etcd'));
    }
    // Relative parts of PATH would mean something else in every working directory.
    const onPath = (process.env['PATH'] ?? '').split(':').filter((dir) => dir.startsWith('/'));
    return [...new Set([...paths, ...onPath.map((dir) => join(dir, 'etcd'))])];
  }

  async #versionOf(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const signature = await executableSignature(path);
    if (signature === undefined) return undefined;
    const seen = this.#versions.get(path);
    if (seen?.signature === signature) return seen.version;
    let version: string | undefined;
    try {
      version = await askVersion(path, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof QuorateError)) throw error;
      this.#log.warn({ path, reason: error.summary }, 'a file named etcd does not tell its version and is passed over');
    }
    this.#versions.set(path, { signature, version });
    return version;
  }
}

/** What `etcd --version` says: `3.5.16`. Rejects as `runTool` does, or with `not-etcd`. */
export async function askVersion(path: string, signal?: AbortSignal): Promise<string> {
  const { stdout } = await runTool(path, ['--version'], { timeoutMs: 20_000, signal });
  const version = /^etcd Version: (\S+)$/m.exec(stdout)?.[1];
  if (version !== undefined) return version;
  throw new QuorateError({
    code: 'not-etcd',
    kind: 'stalled',
    operation: `ask ${path} for its version`,
    summary: 'the answer has no line "etcd Version: …", so this is not etcd',
  });
}

/** Path of a program that stands beside etcd; null when it is not there. */
export async function programBeside(etcd: string, program: 'etcdctl' | 'etcdutl'): Promise<string | null> {
  const path = join(dirname(etcd), program);
  return (await executableSignature(path)) === undefined ? null : path;
}

/** Changes whenever the file does; undefined when it is not a file that can be run. */
async function executableSignature(path: string): Promise<string | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return undefined;
    await access(path, constants.X_OK);
    return `${found.ino}:${found.size}:${found.mtimeMs}`;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== undefined) return undefined;
    throw error;
  }
}
