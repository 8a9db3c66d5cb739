import { once } from 'node:events';
import { readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { forPeople, openGit } from '../../../src/source/git.ts';
import { cacheFolderOf } from '../../../src/source/remote-cache.ts';
import { all, commit, git, newCheckout, open, outcomes, temporaryFolder, watchFor } from './git-fixture.ts';

test('follows a remote branch by polling, and a force-push is no descendant', async () => {
  const folder = await newCheckout();
  const first = await git(folder, 'rev-parse', 'HEAD');
  const repository = await open(`file://${folder}`);
  const watched = watchFor(repository, { pollMs: 50 });
  await watched.sees(first);
  const second = await commit(folder, { 'clusters/b.yaml': 'b' });
  await watched.sees(second);
  expect((await repository.read(second)).files.map(({ path }) => path)).toEqual(['clusters/a.yaml', 'clusters/b.yaml']);
  expect(await repository.isAncestor(first, second)).toBe(true);
  await git(folder, 'reset', '--quiet', '--hard', first);
  const rewritten = await commit(folder, { 'clusters/c.yaml': 'c' });
  await watched.sees(rewritten);
  expect(await repository.isAncestor(second, rewritten)).toBe(false);
  expect(watched.errors).toEqual([]);
});

test('fetches only when the remote ref has moved, also over a restart', async () => {
  const folder = await newCheckout();
  const cacheDir = await temporaryFolder();
  let fetches = 0;
  const log = {
    ...silentLogger,
    debug: (_fields: object, message: string) => {
      if (message === 'fetched') fetches++;
    },
  };
  const repository = await open(`file://${folder}`, { cacheDir, log });
  const first = await repository.head();
  await git(folder, 'checkout', '--quiet', '-b', 'other');
  const elsewhere = await commit(folder, { 'clusters/b.yaml': 'b' });
  expect(await repository.head()).toBe(first);
  const restarted = await open(`file://${folder}`, { cacheDir, log });
  expect(await restarted.head()).toBe(first);
  expect(fetches).toBe(1);
  // The other branch was not brought along.
  await expect(git(cacheFolderOf(cacheDir, `file://${folder}`), 'cat-file', '-t', elsewhere)).rejects.toThrow(
    /could not get object info/,
  );
  await git(folder, 'branch', '-f', 'main', elsewhere);
  expect(await restarted.head()).toBe(elsewhere);
  expect(fetches).toBe(2);
});

test('resolves what was not fetched yet: other branches, tags, HEAD, commits', async () => {
  const folder = await newCheckout();
  const first = await git(folder, 'rev-parse', 'HEAD');
  const repository = await open(`file://${folder}`);
  expect(await repository.head()).toBe(first);
  await git(folder, 'checkout', '--quiet', '-b', 'feature');
  const second = await commit(folder, { 'clusters/b.yaml': 'b' });
  await git(folder, 'tag', 'v2');
  const revs = [second, 'feature', 'v2', 'HEAD'];
  expect(await outcomes(revs, (rev) => repository.resolve(rev))).toEqual(all(revs, second));
  expect(await repository.resolve('HEAD~1')).toBe(first);
  await expect(repository.resolve('nothing')).rejects.toMatchObject({ code: 'ref-not-found', kind: 'invalid' });
  const pinned = await open(`file://${folder}`, { ref: second });
  expect(await pinned.head()).toBe(second);
  const byTag = await open(`file://${folder}`, { ref: 'v2' });
  expect(await byTag.head()).toBe(second);
  const byHead = await open(`file://${folder}`, { ref: 'HEAD' });
  expect(await byHead.head()).toBe(second);
});

test('a branch that turns into a folder of branches can still be followed', async () => {
  const folder = await newCheckout();
  await git(folder, 'branch', 'env');
  const cacheDir = await temporaryFolder();
  const id = await (await open(`file://${folder}`, { ref: 'env', cacheDir })).resolve('env');
  await git(folder, 'branch', '-D', 'env');
  await git(folder, 'branch', 'env/prod');
  const repository = await open(`file://${folder}`, { ref: 'env/prod', cacheDir });
  expect(await repository.head()).toBe(id);
  expect(await repository.resolve('env/prod')).toBe(id);
});

test('a remote that is away is an error that passes, and so is a copy that was removed', async () => {
  const folder = await newCheckout();
  const id = await git(folder, 'rev-parse', 'HEAD');
  const cacheDir = await temporaryFolder();
  const repository = await open(`file://${folder}`, { cacheDir });
  await rename(folder, `${folder}.away`);
  const watched = watchFor(repository, { pollMs: 20 });
  await expect(repository.head()).rejects.toMatchObject({ code: 'source-unreadable', kind: 'transient' });
  await rename(`${folder}.away`, folder);
  await watched.sees(id);
  await watched.close();
  await rm(cacheFolderOf(cacheDir, `file://${folder}`), { recursive: true });
  expect(await repository.head()).toBe(id);
  expect((await repository.read(id)).files).toHaveLength(1);
  await expect((await open(`file://${folder}`, { ref: 'gone' })).head()).rejects.toMatchObject({
    code: 'ref-not-found',
  });
});

test('a lock that a killed fetch left behind does not stop the source for ever', async () => {
  const folder = await newCheckout();
  const cacheDir = await temporaryFolder();
  const repository = await open(`file://${folder}`, { cacheDir });
  await repository.head();
  const refs = join(cacheFolderOf(cacheDir, `file://${folder}`), 'refs/quorate');
  const lock = join(refs, `${(await readdir(refs))[0]}.lock`);
  const next = await commit(folder, {});
  await writeFile(lock, '');
  await expect(repository.head()).rejects.toMatchObject({ code: 'source-unreadable', kind: 'transient' });
  const hourAgo = new Date(Date.now() - 3_600_000);
  await utimes(lock, hourAgo, hourAgo);
  expect(await repository.head()).toBe(next);
});

test('a cache that cannot be written is an error, not a crash', async () => {
  const folder = await newCheckout();
  const blocked = join(await temporaryFolder(), 'file');
  await writeFile(blocked, '');
  const repository = await open(`file://${folder}`, { cacheDir: blocked });
  await expect(repository.head()).rejects.toMatchObject({ code: 'source-unreadable', kind: 'transient' });
});

test('a server that never answers is given up on, and the helper processes are gone', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let lostConnections = 0;
  server.on('connection', (socket) => {
    socket.on('close', () => {
      lostConnections++;
    });
    socket.on('error', () => undefined).resume();
  });
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const runner = openGit({ gitDir: join(await newCheckout(), '.git'), environment: process.env });
  const url = `https://127.0.0.1:${port}/repo.git`;
  const start = performance.now();
  await expect(runner.run(['ls-remote', url], { timeoutMs: 1500, isRemote: true })).rejects.toMatchObject({
    code: 'git-timeout',
    kind: 'transient',
  });
  expect(performance.now() - start).toBeLessThan(4000);
  // Only the death of the helper closes its connection.
  const closed = await waitUntil(systemClock, { timeoutMs: 2000, intervalMs: 5 }, async () =>
    lostConnections === 1 ? true : undefined,
  );
  expect(closed.seen).toBe(true);
  const refused = await runner.run(['ls-remote', url]);
  expect(refused.stderr).toContain("transport 'https' not allowed");
});

test('credentials and control characters stay out of messages', () => {
  expect(forPeople('fatal: https://ghp_token@example.org/r.git\n\u001b[31m')).toBe(
    'fatal: https://(redacted)@example.org/r.git [31m',
  );
  expect(forPeople('https://user:pass@example.org/')).toBe('https://(redacted)@example.org/');
  expect(forPeople('x'.repeat(2000))).toHaveLength(501);
});
