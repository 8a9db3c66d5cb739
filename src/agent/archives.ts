import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeError, systemErrorCode } from '../base/errors.ts';
import { ensureFolder, syncFolder } from '../base/files.ts';
import type { Logger } from '../base/log.ts';
import { storageError } from './state-file.ts';
import { readWalIdentity } from './wal.ts';

const dayMs = 86_400_000;
/** `orders-data-20261120T152948Z-before-restore`, with `.1` and so on when two fall into one second. */
const archiveName = /^([a-z0-9-]+)-data-([0-9]{8}T[0-9]{6}Z)-([a-z0-9-]+?)(?:\.([0-9]{1,4}))?$/;
/** An archive on its way out; what a crash leaves of it is removed by the next pruning. */
const doomedPrefix = '.removing-';
const maxPerSecond = 1000;

export interface Archive {
  readonly name: string;
  readonly cluster: string;
  readonly atMs: number;
}

/** Archives of all clusters, oldest first; names that are not ours are left out and left alone. */
export async function listArchives(folder: string): Promise<readonly Archive[]> {
  const found: Archive[] = [];
  for (const name of await namesIn(folder)) {
    const archive = parseArchiveName(name);
    if (archive !== undefined) found.push(archive);
  }
  return found.toSorted((a, b) => a.atMs - b.atMs || (a.name < b.name ? -1 : 1));
}

export function parseArchiveName(name: string): Archive | undefined {
  const match = archiveName.exec(name);
  const [, cluster, time] = match ?? [];
  if (cluster === undefined || time === undefined) return undefined;
  const atMs = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  return Number.isNaN(atMs) ? undefined : { name, cluster, atMs };
}

/** Moves a data dir away by renaming, which keeps every byte. Gives the name; durable when it resolves. */
export async function archiveFolder(
  source: string,
  folder: string,
  cluster: string,
  reason: string,
  nowMs: number,
): Promise<string> {
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const base = `${cluster}-data-${time}-${slug(reason)}`;
  try {
    await ensureFolder(folder);
    const name = await reserve(folder, base);
    // The reserved folder is empty, so rename(2) puts the data dir in its place.
    await rename(source, join(folder, name));
    await syncFolder(folder);
    await syncFolder(dirname(source));
    return name;
  } catch (error) {
    throw storageError(error, `archive ${source}`);
  }
}

export interface PruneRules {
  readonly keepDays: number;
  readonly minFreeBytes: number;
}

/**
 * Removes archives that are too old, then the oldest ones while room is short; never the newest of a cluster's name,
 * and no young one that is the newest of a cluster id: after a restore or two that may be all that is left of what
 * was written since the last backup.
 */
export async function pruneArchives(
  folder: string,
  rules: PruneRules,
  nowMs: number,
  log: Logger,
  clusterIdOf: (dataDir: string) => Promise<string | undefined> = idFromLog,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await namesIn(folder)) {
    if (name.startsWith(doomedPrefix)) await rm(join(folder, name), { recursive: true, force: true });
  }
  const archives = await listArchives(folder);
  const newest = new Map(archives.map((archive) => [archive.cluster, archive.name]));
  const ids = new Map<string, string | undefined>();
  for (const { name } of archives) ids.set(name, await clusterIdOf(join(folder, name)));
  const newestOfId = new Map(archives.map(({ name }) => [ids.get(name), name]));
  for (const archive of archives) {
    if (newest.get(archive.cluster) === archive.name) continue;
    const isOld = nowMs - archive.atMs > rules.keepDays * dayMs;
    const id = ids.get(archive.name);
    if (!isOld && id !== undefined && newestOfId.get(id) === archive.name) continue;
    if (!isOld && (await freeBytes(folder)) >= rules.minFreeBytes) continue;
    try {
      await rename(join(folder, archive.name), join(folder, `${doomedPrefix}${archive.name}`));
      await rm(join(folder, `${doomedPrefix}${archive.name}`), { recursive: true, force: true });
    } catch (error) {
      log.error({ archive: archive.name, err: describeError(error) }, 'an archive could not be removed');
      continue;
    }
    removed.push(archive.name);
    log.warn({ archive: archive.name, reason: isOld ? 'older than keepDays' : 'room is short' }, 'archive removed');
  }
  return removed;
}

/** Undefined for what is no data dir, or cannot be read. */
async function idFromLog(dataDir: string): Promise<string | undefined> {
  return (await readWalIdentity(dataDir).catch(() => undefined))?.clusterId;
}

async function reserve(folder: string, base: string): Promise<string> {
  for (let count = 0; count < maxPerSecond; count++) {
    const name = count === 0 ? base : `${base}.${count}`;
    try {
      await mkdir(join(folder, name), { mode: 0o700 });
      return name;
    } catch (error) {
      if (systemErrorCode(error) !== 'EEXIST') throw error;
    }
  }
  throw new Error(`${maxPerSecond} archives have the name ${base} already`);
}

function slug(reason: string): string {
  const words = reason.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return words.slice(0, 60).replaceAll(/^-+|-+$/g, '') || 'unnamed';
}

async function freeBytes(folder: string): Promise<number> {
  const stats = await statfs(folder);
  return stats.bavail * stats.bsize;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return [];
    throw storageError(error, `list ${folder}`);
  }
}
