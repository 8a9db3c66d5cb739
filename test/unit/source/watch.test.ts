import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { commit, git, newCheckout, open, temporaryFolder, type Watched, watchFor } from './git-fixture.ts';

const noticeMs = 1000;

async function startWatch(url: string, ref = 'main'): Promise<Watched> {
  const repository = await open(url, { ref });
  const watched = watchFor(repository);
  await watched.sees(await repository.head());
  return watched;
}

describe('a commit is noticed within a second', () => {
  test('in a checkout, also after its refs were packed and collected', async () => {
    const folder = await newCheckout();
    const watched = await startWatch(folder);
    expect(await watched.sees(await commit(folder, {}))).toBeLessThan(noticeMs);
    await git(folder, 'pack-refs', '--all');
    expect(await watched.sees(await commit(folder, {}))).toBeLessThan(noticeMs);
    await git(folder, 'gc', '--quiet', '--prune=now');
    expect(await watched.sees(await commit(folder, {}))).toBeLessThan(noticeMs);
    await git(folder, 'reset', '--quiet', '--hard', 'HEAD~2');
    await git(folder, 'pack-refs', '--all', '--prune');
    expect(await watched.sees(await git(folder, 'rev-parse', 'HEAD'))).toBeLessThan(noticeMs);
    for (let n = 0; n < 5; n++) expect(await watched.sees(await commit(folder, {}))).toBeLessThan(noticeMs);
    expect(watched.errors).toEqual([]);
    expect(new Set(watched.commits).size).toBeGreaterThanOrEqual(9);
  });

  test('when it was made in a linked worktree, and when the source is one', async () => {
    const folder = await newCheckout();
    await git(folder, 'checkout', '--quiet', '-b', 'parking');
    const linked = join(await temporaryFolder(), 'linked');
    await git(folder, 'worktree', 'add', '--quiet', linked, 'main');
    const main = await startWatch(folder);
    const worktree = await startWatch(linked);
    const head = await startWatch(linked, 'HEAD');
    for (const prepare of [[], ['pack-refs', '--all']]) {
      if (prepare.length > 0) await git(linked, ...prepare);
      const id = await commit(linked, {});
      for (const watched of [main, worktree, head]) expect(await watched.sees(id)).toBeLessThan(noticeMs);
    }
    await git(linked, 'checkout', '--quiet', '--detach', 'HEAD~1');
    expect(await head.sees(await git(linked, 'rev-parse', 'HEAD'))).toBeLessThan(noticeMs);
  });

  test('when it is pushed to a bare repository, also to a branch in folders', async () => {
    const folder = await newCheckout();
    const bare = join(await temporaryFolder(), 'bare.git');
    await git(folder, 'clone', '--quiet', '--bare', folder, bare);
    await git(folder, 'push', '--quiet', bare, 'main:env/prod/eu');
    await git(bare, 'pack-refs', '--all', '--prune');
    const main = await startWatch(bare);
    const nested = await startWatch(bare, 'env/prod/eu');
    const id = await commit(folder, {});
    await git(folder, 'push', '--quiet', bare, 'main', 'main:env/prod/eu');
    expect(await main.sees(id)).toBeLessThan(noticeMs);
    expect(await nested.sees(id)).toBeLessThan(noticeMs);
  });

  test('when the branch is made only after the watch began', async () => {
    const folder = await newCheckout();
    const watched = watchFor(await open(folder, { ref: 'release/one' }));
    const failed = await waitUntil(systemClock, { timeoutMs: 5000, intervalMs: 5 }, async () => watched.errors[0]);
    expect(failed).toEqual({ seen: true, value: 'ref-not-found' });
    await git(folder, 'branch', 'release/one');
    expect(await watched.sees(await git(folder, 'rev-parse', 'main'))).toBeLessThan(noticeMs);
  });
});

test('a repository that was deleted and made anew is watched again', async () => {
  const [folder, other] = [await newCheckout(), await newCheckout()];
  const watched = watchFor(await open(folder), { pollMs: 100 });
  await watched.sees(await git(folder, 'rev-parse', 'HEAD'));
  const next = await commit(other, { 'clusters/b.yaml': 'b' });
  await rename(folder, `${folder}.old`);
  await rename(other, folder);
  await watched.sees(next);
  const last = await commit(folder, {});
  await watched.sees(last);
  expect(watched.commits.slice(-2)).toEqual([next, last]);
});

test('other refs and files do not wake the watch', async () => {
  const folder = await newCheckout();
  let looks = 0;
  const repository = await open(folder);
  const counted = { ...repository, head: () => ((looks += 1), repository.head()) };
  const watched = watchFor(counted);
  const first = await git(folder, 'rev-parse', 'HEAD');
  await watched.sees(first);
  // The last of these is seen, so everything before it has been looked at.
  await watched.sees(await commit(folder, {}));
  const before = looks;
  await mkdir(join(folder, 'clusters/more'));
  for (let n = 0; n < 20; n++) await git(folder, 'update-ref', `refs/remotes/origin/b${n}`, first);
  await watched.sees(await commit(folder, {}));
  expect(looks - before).toBeLessThan(20);
});

test('looks never overlap, and a poke during a look causes exactly one more', async () => {
  let running = 0;
  let looks = 0;
  let finish: () => void = () => undefined;
  const watched = watchFor({
    name: 'gate',
    ref: 'main',
    locate: undefined,
    head: async () => {
      running++;
      expect(running).toBe(1);
      looks++;
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      running--;
      return `${looks}`;
    },
  });
  const reach = (count: number): Promise<unknown> =>
    waitUntil(systemClock, { timeoutMs: 2000, intervalMs: 1 }, async () => (looks === count ? count : undefined));
  expect(await reach(1)).toMatchObject({ seen: true });
  for (let n = 0; n < 3; n++) watched.poke();
  finish();
  expect(await reach(2)).toMatchObject({ seen: true });
  expect(watched.commits).toEqual(['1']);
  finish();
  await watched.sees('2');
  watched.poke();
  expect(await reach(3)).toMatchObject({ seen: true });
  const closing = watched.close();
  finish();
  await closing;
  expect(watched.commits).toEqual(['1', '2']);
  expect(looks).toBe(3);
});

test('a remote that fails is asked less often, up to five minutes, and normally again after success', async () => {
  const pauses: number[] = [];
  let isAway = true;
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      pauses.push(ms);
      if (pauses.length === 9) isAway = false;
      // Past the eleventh pause nothing more is to be learnt; it lasts until the watch is closed.
      await systemClock.sleep(pauses.length < 11 ? 1 : 60_000, signal);
    },
  };
  const watched = watchFor(
    {
      name: 'remote',
      ref: 'main',
      locate: undefined,
      head: async () => {
        if (isAway) throw new QuorateError({ code: 'git-timeout', kind: 'transient', operation: 'x', summary: 'away' });
        return 'commit';
      },
    },
    { pollMs: 30_000, clock, random: () => 0.5 },
  );
  await watched.sees('commit');
  await waitUntil(systemClock, { timeoutMs: 2000, intervalMs: 1 }, async () =>
    pauses.length >= 11 ? true : undefined,
  );
  const seconds = pauses.map((ms) => Math.round(ms / 1000));
  expect(seconds).toEqual([30, 60, 120, 240, 300, 300, 300, 300, 300, 30, 30]);
  expect(watched.errors).toHaveLength(9);
});
