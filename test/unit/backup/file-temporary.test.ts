import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openFileStore } from '../../../src/backup/file-store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';

it('counts and removes on demand what is older than asked for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-temporary-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const store = openFileStore({ folder, cluster: 'orders', log: silentLogger, clock: systemClock });
  await store.write('a', 'b');
  const work = join(folder, 'orders', '.quorate-work');
  const left = join(work, `${'0'.repeat(12)}-1-1-${'0'.repeat(16)}.tmp`);
  await writeFile(left, 'part');
  expect(await store.removeUnfinishedUploads(Date.now() - 60_000)).toBe(0);
  const twoMinutesAgo = (Date.now() - 120_000) / 1000;
  await utimes(left, twoMinutesAgo, twoMinutesAgo);
  expect(await store.removeUnfinishedUploads(Date.now() - 60_000)).toBe(1);
  expect(await readdir(work)).toEqual([]);
});
