import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readlink, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { QuorateError, systemErrorCode } from '../../base/errors.ts';
import { ensureFolder, readFileIfExists, replaceFile, syncFolder } from '../../base/files.ts';
import type { BinarySourceName, Program } from './source.ts';
import { programs, versionPattern } from './source.ts';

/** `source.json` in the folder of a release: where it came from and what its files must look like. */
export interface CacheRecord {
  readonly version: string;
  readonly source: BinarySourceName;
  /** How it was checked, for people. */
  readonly origin: string;
  /** `2026-11-20T15:29:48Z` */
  readonly fetchedAt: string;
  readonly programs: Readonly<Partial<Record<Program, ProgramRecord>>>;
}

export interface ProgramRecord {
  /** Hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface CachedRelease {
  readonly folder: string;
  readonly record: CacheRecord;
}

// Longer than any fetch may take, so what is older belongs to nobody.
const staleAfterMs = 2 * 3_600_000;

/**
 * Fetched releases in `<cacheDir>/etcd/<version>/`, 0700. A release is there as a whole or not at all: it is
 * prepared in a folder beside and renamed into place.
 */
export class BinaryCache {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly signature: string; readonly sha256: Promise<string> }>();

  constructor(cacheDir: string, clock: Clock) {
    this.#root = join(cacheDir, 'etcd');
    this.#clock = clock;
  }

  /** A quick look at names and sizes; whoever wants to run something asks `find`. */
  async list(): Promise<readonly CachedRelease[]> {
    const found: CachedRelease[] = [];
    for (const version of await namesIn(this.#root)) {
      const release = versionPattern.test(version) ? await this.#read(version, isSameSize) : undefined;
      if (release !== undefined) found.push(release);
    }
    return found;
  }

  /** Undefined when it is not there, or when a file of it no longer is, to the last bit, what was put there. */
  async find(version: string): Promise<CachedRelease | undefined> {
    return await this.#read(version, async (path, expected) => (await this.#hash(path)) === expected.sha256);
  }

  async #read(
    version: string,
    isWhole: (path: string, expected: ProgramRecord) => Promise<boolean>,
  ): Promise<CachedRelease | undefined> {
    const folder = join(this.#root, version);
    const record = parseRecord(await readFileIfExists(join(folder, 'source.json')));
    if (record?.version !== version || record.programs.etcd === undefined) return undefined;
    for (const program of programs) {
      const expected = record.programs[program];
      if (expected !== undefined && !(await isWhole(join(folder, program), expected))) return undefined;
    }
    return { folder, record };
  }

  /** A fresh folder for one fetch, with the folders `release` and `scratch` in it. The caller removes it. */
  async openWorkspace(): Promise<string> {
    await ensureFolder(this.#root);
    await this.#removeStaleWorkspaces();
    const folder = join(
      this.#root,
      `.fetch-${await processNamespace()}-${process.pid}-${randomBytes(6).toString('hex')}`,
    );
    await mkdir(folder, { mode: 0o700 });
    for (const part of ['release', 'scratch']) await mkdir(join(folder, part), { mode: 0o700 });
    return folder;
  }

  /** Puts the checked `<workspace>/release` into place. If someone else was quicker, theirs stays. */
  async install(workspace: string, record: Omit<CacheRecord, 'programs'>): Promise<CachedRelease> {
    const prepared = join(workspace, 'release');
    const sums: Partial<Record<Program, ProgramRecord>> = {};
    for (const program of programs) {
      const path = join(prepared, program);
      if (!(await exists(path))) continue;
      await chmod(path, 0o755);
      await syncFile(path);
      sums[program] = { sha256: await sha256(path), sizeBytes: (await stat(path)).size };
    }
    await replaceFile(join(prepared, 'source.json'), `${JSON.stringify({ ...record, programs: sums }, null, 2)}\n`);
    const target = join(this.#root, record.version);
    // Twice: the first time a broken release may stand in the way.
    for (let attempt = 1; ; attempt++) {
      try {
        await rename(prepared, target);
        await syncFolder(this.#root);
        break;
      } catch (error) {
        const occupied = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');
        if (!occupied || attempt === 3) throw error;
        const theirs = await this.find(record.version);
        if (theirs !== undefined) return theirs;
        await rename(target, join(workspace, `broken-${attempt}`));
      }
    }
    const installed = await this.find(record.version);
    if (installed !== undefined) return installed;
    throw new QuorateError({
      code: 'binary-cache-broken',
      kind: 'transient',
      operation: `keep etcd ${record.version} in ${this.#root}`,
      summary: 'the files changed right after they had been put there',
      remedy: 'see who else writes to that folder, then try again',
    });
  }

  async #hash(path: string): Promise<string | undefined> {
    try {
      const { size, mtimeMs, ino } = await stat(path);
      const signature = `${ino}:${size}:${mtimeMs}`;
      const seen = this.#seen.get(path);
      if (seen?.signature === signature) return await seen.sha256;
      // Kept while it is under way: the members of many clusters ask at the same moment.
      const fresh = sha256(path);
      this.#seen.set(path, { signature, sha256: fresh });
      fresh.catch(() => this.#seen.delete(path));
      return await fresh;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Removes what killed processes left behind. */
  async #removeStaleWorkspaces(): Promise<void> {
    const namespace = await processNamespace();
    for (const name of await namesIn(this.#root)) {
      const owner = /^\.fetch-(\w+)-(\d+)-[0-9a-f]+$/.exec(name);
      if (owner === null) continue;
      const folder = join(this.#root, name);
      const modified = await stat(folder).then(
        (found) => found.mtimeMs,
        () => undefined,
      );
      if (modified === undefined) continue;
      const isOld = this.#clock.now() - modified > staleAfterMs;
      const isDead = owner[1] === namespace && !processExists(Number(owner[2]));
      if (isOld || isDead) await rm(folder, { recursive: true, force: true });
    }
  }
}

function parseRecord(text: string | undefined): CacheRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<CacheRecord> | null;
    if (typeof value?.version !== 'string' || typeof value.source !== 'string') return undefined;
    if (typeof value.programs !== 'object' || value.programs === null) return undefined;
    return { origin: '', fetchedAt: '', ...value } as CacheRecord;
  } catch {
    // Not JSON: as good as not there. It is fetched anew.
    return undefined;
  }
}

async function isSameSize(path: string, expected: ProgramRecord): Promise<boolean> {
  try {
    const found = await stat(path);
    return found.isFile() && found.size === expected.sizeBytes;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Process ids mean something only inside one namespace; a cache may be shared by several containers. */
async function processNamespace(): Promise<string> {
  return (await readlink('/proc/self/ns/pid').catch(() => '')).replaceAll(/\D/g, '') || 'unknown';
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH';
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** SHA-256 of a file, hexadecimal. */
async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  // One buffer, used again: a stream allocates one for each piece, which costs twice the time and far more memory.
  const buffer = Buffer.allocUnsafe(1024 ** 2);
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
