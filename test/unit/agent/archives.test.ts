import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveFolder, listArchives, parseArchiveName, pruneArchives } from '../../../src/agent/archives.ts';
import { silentLogger } from '../../../src/base/log.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2026, 10, 20, 15, 29, 48);

let root: string;
let folder: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'quorate-archives-'));
  folder = join(root, 'archives');
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

async function archive(cluster: string, atMs: number, reason = 'test'): Promise<string> {
  const source = join(root, 'data');
  await mkdir(source);
  await writeFile(join(source, 'db'), `${cluster} ${atMs}`);
  return archiveFolder(source, folder, cluster, reason, atMs);
}

describe('archiving', () => {
  it('moves every byte under a name that says what, when and why', async () => {
    const name = await archive('orders', nowMs, 'Restore: ../../etc');
    expect(name).toBe('orders-data-20261120T152948Z-restore-etc');
    expect(await readFile(join(folder, name, 'db'), 'utf8')).toBe(`orders ${nowMs}`);
    expect(await readdir(root)).toEqual(['archives']);
  });

  it('never takes a name twice, and finds one for every reason', async () => {
    const names = [
      await archive('orders', nowMs),
      await archive('orders', nowMs),
      await archive('orders', nowMs, '!!!'),
    ];
    expect(names).toEqual([
      'orders-data-20261120T152948Z-test',
      'orders-data-20261120T152948Z-test.1',
      'orders-data-20261120T152948Z-unnamed',
    ]);
    expect((await listArchives(folder)).map(({ cluster }) => cluster)).toEqual(['orders', 'orders', 'orders']);
  });

  it('tells clusters apart whose names begin alike', () => {
    expect(parseArchiveName('a-data-b-data-20261120T152948Z-x')).toMatchObject({ cluster: 'a-data-b' });
    expect(parseArchiveName('orders-data-20269999T152948Z-x')).toBeUndefined();
    expect(parseArchiveName('lost+found')).toBeUndefined();
  });
});

describe('pruning', () => {
  const names = async (): Promise<readonly string[]> => (await listArchives(folder)).map(({ name }) => name);

  it('removes what is too old, never the newest of a cluster, never what is not ours', async () => {
    await archive('orders', nowMs - 50 * dayMs);
    const kept = [await archive('billing', nowMs - 90 * dayMs), await archive('orders', nowMs - 40 * dayMs)];
    await writeFile(join(folder, 'README'), 'mine');
    const removed = await pruneArchives(folder, { keepDays: 30, minFreeBytes: 0 }, nowMs, silentLogger);
    expect(removed).toHaveLength(1);
    expect(await names()).toEqual(kept);
    expect(await readdir(folder)).toContain('README');
  });

  it('removes the oldest while room is short, and what an interrupted removal left', async () => {
    const ages = [5, 4, 3];
    for (const age of ages) await archive('orders', nowMs - age * dayMs);
    await mkdir(join(folder, '.removing-orders-data-20260101T000000Z-x'));
    const before = await names();
    const rules = { keepDays: 30, minFreeBytes: Number.MAX_SAFE_INTEGER };
    expect(await pruneArchives(folder, rules, nowMs, silentLogger)).toEqual(before.slice(0, 2));
    expect(await readdir(folder)).toEqual(before.slice(2));
  });

  it('keeps what is young and the newest of its cluster id, however short room is', async () => {
    const made: string[] = [];
    for (const age of [40, 5, 4, 3, 2]) made.push(await archive('orders', nowMs - age * dayMs));
    // Two of the first cluster, then what two restores put away.
    const ids = new Map(made.map((name, index) => [join(folder, name), ['old', 'a', 'a', 'b', 'c'][index]]));
    const rules = { keepDays: 30, minFreeBytes: Number.MAX_SAFE_INTEGER };
    const removed = await pruneArchives(folder, rules, nowMs, silentLogger, async (path) => ids.get(path));
    expect(removed).toEqual(made.slice(0, 2));
  });

  it('keeps what is young while there is room, and finds nothing where nothing is', async () => {
    const rules = { keepDays: 30, minFreeBytes: 0 };
    expect(await pruneArchives(folder, rules, nowMs, silentLogger)).toEqual([]);
    await archive('orders', nowMs - dayMs);
    await archive('orders', nowMs);
    expect(await pruneArchives(folder, rules, nowMs, silentLogger)).toEqual([]);
  });
});
