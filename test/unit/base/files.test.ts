import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ensureFolder, readFileIfExists, replaceFile } from '../../../src/base/files.ts';
import { waitUntil } from '../../../src/base/wait.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-base-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a file is replaced as a whole and leaves nothing beside it', async () => {
  const file = join(folder, 'f');
  await replaceFile(file, 'one');
  await replaceFile(file, Buffer.from('two'), 0o640);
  expect(await readFile(file, 'utf8')).toBe('two');
  expect((await stat(file)).mode & 0o777).toBe(0o640);
  expect(await readdir(folder)).toEqual(['f']);
});

test('a replacement that fails leaves what was there, and nothing beside it', async () => {
  const target = join(folder, 'd');
  await mkdir(target);
  await writeFile(join(target, 'inner'), 'x');
  await expect(replaceFile(target, 'new')).rejects.toThrow('EISDIR');
  expect(await readdir(folder)).toEqual(['d']);
  expect(await readFileIfExists(join(target, 'inner'))).toBe('x');
});

test('writers of one file at the same time leave the content of one of them', async () => {
  const file = join(folder, 'f');
  const contents = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(10_000));
  await Promise.all(contents.map((content) => replaceFile(file, content)));
  expect(contents).toContain(await readFile(file, 'utf8'));
  expect(await readdir(folder)).toEqual(['f']);
});

test('a folder is private, and making it twice is fine', async () => {
  const path = join(folder, 'a/b');
  await ensureFolder(path);
  await ensureFolder(path);
  expect((await stat(path)).mode & 0o777).toBe(0o700);
});

test('only a missing file reads as absent', async () => {
  expect(await readFileIfExists(join(folder, 'absent'))).toBeUndefined();
  await expect(readFileIfExists(folder)).rejects.toThrow('EISDIR');
});

test('a wait sees what comes, gives up in time, and stops when told to', async () => {
  let looks = 0;
  const look = async (): Promise<string | undefined> => (++looks === 3 ? 'there' : undefined);
  expect(await waitUntil(systemClock, { timeoutMs: 5000, intervalMs: 1 }, look)).toEqual({
    seen: true,
    value: 'there',
  });
  expect(await waitUntil(systemClock, { timeoutMs: 0, intervalMs: 1 }, async () => undefined)).toEqual({ seen: false });
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(
    waitUntil(systemClock, { timeoutMs: 5000, intervalMs: 1, signal }, async () => undefined),
  ).rejects.toThrow('stopped');
});
