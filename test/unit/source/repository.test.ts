import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { all, commit, failureOf, git, newCheckout, open, outcomes, temporaryFolder } from './git-fixture.ts';

test('reads the specs of a commit with its author, subject and time', async () => {
  const folder = await newCheckout();
  const id = await commit(
    folder,
    {
      'clusters/b.yml': 'name: b\n',
      'clusters/team/c.yaml': 'ñ\r\n',
      'clusters/empty.yaml': '',
      'clusters/twin.yaml': 'name: b\n',
      'clusters/notes.md': 'no',
      'clusters/.hidden/d.yaml': 'no',
      'other/e.yaml': 'no',
      'clusters2/f.yaml': 'no',
    },
    'Add b\n\nBecause.',
  );
  const repository = await open(folder);
  expect(await repository.head()).toBe(id);
  const revision = await repository.read(id);
  expect(revision).toMatchObject({ commit: id, author: 'Ada <ada@example.org>', subject: 'Add b', diagnostics: [] });
  expect(Math.abs(revision.committedAtMs - Date.now())).toBeLessThan(60_000);
  expect(revision.files.map(({ path, content }) => [path, content.toString()])).toEqual([
    ['clusters/a.yaml', 'name: a\n'],
    ['clusters/b.yml', 'name: b\n'],
    ['clusters/empty.yaml', ''],
    ['clusters/team/c.yaml', 'ñ\r\n'],
    ['clusters/twin.yaml', 'name: b\n'],
  ]);
});

test('reads the bytes of the commit, whatever the work tree, filters and attributes say', async () => {
  const folder = await newCheckout();
  const marker = join(folder, '..', 'ran');
  await git(folder, 'config', 'filter.evil.smudge', `touch ${marker}`);
  await git(folder, 'config', 'diff.evil.textconv', `touch ${marker}; cat`);
  await git(folder, 'config', 'core.fsmonitor', `touch ${marker}; true`);
  const id = await commit(folder, { '.gitattributes': '*.yaml filter=evil diff=evil export-ignore text eol=crlf\n' });
  await rm(marker, { force: true });
  await writeFile(join(folder, 'clusters/a.yaml'), 'not committed');
  const { files } = await (await open(folder)).read(id);
  expect(files.map(({ content }) => content.toString())).toEqual(['name: a\n']);
  await expect(git(folder, 'cat-file', '-e', id)).resolves.toBe('');
  await expect(chmod(marker, 0o600)).rejects.toThrow(/ENOENT/);
});

test('reports links, submodules and large files and never follows or reads them', async () => {
  const folder = await newCheckout();
  await symlink('/etc/passwd', join(folder, 'clusters/link.yaml'));
  await symlink('..', join(folder, 'clusters/up'));
  const first = await git(folder, 'rev-parse', 'HEAD');
  await git(folder, 'update-index', '--add', '--cacheinfo', `160000,${first},clusters/module`);
  await mkdir(join(folder, 'clusters/module'));
  const id = await commit(folder, {
    'clusters/big.yaml': 'x'.repeat(256 * 1024 + 1),
    'clusters/full.yaml': 'x'.repeat(256 * 1024),
    'clusters/new\nline.yaml': 'x',
  });
  const { files, diagnostics } = await (await open(folder)).read(id);
  expect(files.map(({ path }) => path)).toEqual(['clusters/a.yaml', 'clusters/full.yaml']);
  expect(diagnostics.map(({ severity, code, file }) => [severity, code, file])).toEqual([
    ['error', 'file-too-large', 'clusters/big.yaml'],
    ['error', 'not-a-regular-file', 'clusters/link.yaml'],
    ['warning', 'not-a-regular-file', 'clusters/module'],
    ['error', 'unusable-path', 'clusters/new line.yaml'],
    ['warning', 'not-a-regular-file', 'clusters/up'],
  ]);
});

test('a path without specs, without a folder or behind a link is empty and says so', async () => {
  const folder = await newCheckout();
  await symlink('clusters', join(folder, 'linked'));
  const id = await commit(folder, { 'docs/readme.md': 'x' });
  for (const path of ['docs', 'nowhere', 'linked/deeper']) {
    const revision = await (await open(folder, { path })).read(id);
    expect(revision.files).toEqual([]);
    expect(revision.diagnostics.map(({ code }) => code)).toEqual(['path-empty']);
  }
  const linked = await (await open(folder, { path: 'linked' })).read(id);
  expect(linked.files).toEqual([]);
  expect(linked.diagnostics.map(({ code }) => code)).toEqual(['not-a-regular-file']);
});

test('the root can be the path; a magic or glob path is taken literally', async () => {
  const folder = await newCheckout();
  const id = await commit(folder, { 'root.yaml': 'r', '.github/workflows/ci.yaml': 'no' });
  for (const path of ['', '.', './'])
    expect((await (await open(folder, { path })).read(id)).files.map((file) => file.path)).toEqual([
      'clusters/a.yaml',
      'root.yaml',
    ]);
  for (const path of [':(top)clusters', 'cl*'])
    expect((await (await open(folder, { path })).read(id)).files).toEqual([]);
});

test('too many files are refused as a whole, not cut', async () => {
  const folder = await newCheckout();
  const files = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`clusters/n${n}.yaml`, `name: n${n}\n`]));
  const id = await commit(folder, files);
  const repository = await open(folder);
  await expect(repository.read(id)).rejects.toMatchObject({ code: 'source-too-large', kind: 'stalled' });
  await rm(join(folder, 'clusters/n7.yaml'));
  const revision = await repository.read(await commit(folder, {}));
  expect(revision.files).toHaveLength(1000);
  expect(revision.files.find(({ path }) => path === 'clusters/n999.yaml')?.content.toString()).toBe('name: n999\n');
});

test('resolves branches, tags, commits and HEAD, a branch before a tag', async () => {
  const folder = await newCheckout();
  const first = await git(folder, 'rev-parse', 'HEAD');
  await git(folder, 'tag', '-a', '-m', 'release', 'v1');
  await git(folder, 'tag', 'main');
  await git(folder, 'checkout', '--quiet', '-b', 'feature/x');
  const second = await commit(folder, { 'clusters/b.yaml': 'b' });
  const repository = await open(folder);
  await git(folder, 'update-ref', 'refs/heads/main', second);
  const expected = {
    main: second,
    v1: first,
    'feature/x': second,
    HEAD: second,
    'HEAD~1': first,
    'tags/main': first,
    [first]: first,
    [first.slice(0, 12)]: first,
  };
  expect(await outcomes(Object.keys(expected), (rev) => repository.resolve(rev))).toEqual(expected);
  const tree = await git(folder, 'rev-parse', 'HEAD^{tree}');
  const missing = ['nothing', 'f'.repeat(40), tree];
  expect(await outcomes(missing, (rev) => failureOf(repository.resolve(rev)))).toEqual(
    all(missing, 'invalid ref-not-found'),
  );
  const odd = ['', '--all', '-h', 'a b', 'HEAD:clusters/a.yaml', ':/First', 'main\n', '\0', 'a'.repeat(300)];
  expect(await outcomes(odd, (rev) => failureOf(repository.resolve(rev)))).toEqual(all(odd, 'invalid invalid-ref'));
  await expect(repository.read('main')).rejects.toMatchObject({ code: 'invalid-commit' });
});

test('a repository without commits waits; a folder without repository and odd settings are told apart', async () => {
  const folder = await temporaryFolder();
  await expect(open(folder)).rejects.toMatchObject({ code: 'source-unreadable', kind: 'transient' });
  await expect(open(join(folder, 'none'))).rejects.toMatchObject({ code: 'source-unreadable' });
  await git(folder, 'init', '--quiet', '--initial-branch=main');
  const repository = await open(folder);
  await expect(repository.head()).rejects.toMatchObject({ code: 'ref-not-found', kind: 'waiting' });
  await rm(join(folder, '.git'), { recursive: true });
  await expect(repository.head()).rejects.toMatchObject({ code: 'source-unreadable', kind: 'transient' });
  const paths = ['/etc', '../x', 'a/../../x'];
  expect(await outcomes(paths, (path) => failureOf(open(folder, { path })))).toEqual(
    all(paths, 'invalid invalid-path'),
  );
  const urls = ['', '-x', 'ext::sh -c true', 'http://example.org/r.git', 'git://example.org/r', 'a\nb'];
  expect(await outcomes(urls, (url) => failureOf(open(url)))).toEqual(all(urls, 'invalid invalid-git-url'));
});

test('variables of a surrounding git do not lead elsewhere, and a missing git is named', async () => {
  const [folder, other] = [await newCheckout(), await newCheckout()];
  const id = await commit(folder, { 'clusters/b.yaml': 'b' });
  const misleading = {
    GIT_DIR: join(other, '.git'),
    GIT_OBJECT_DIRECTORY: '/nowhere',
    GIT_WORK_TREE: other,
    PAGER: 'false',
  };
  const repository = await open(folder, { environment: { ...process.env, ...misleading } });
  expect(await repository.head()).toBe(id);
  const withoutGit = await open(folder, { environment: { PATH: other } });
  await expect(withoutGit.head()).rejects.toMatchObject({ code: 'git-missing', kind: 'stalled' });
});

test('tells a rewritten history from one that went on', async () => {
  const folder = await newCheckout();
  const first = await git(folder, 'rev-parse', 'HEAD');
  const second = await commit(folder, {});
  const repository = await open(folder);
  expect(await repository.isAncestor(first, second)).toBe(true);
  expect(await repository.isAncestor(second, second)).toBe(true);
  expect(await repository.isAncestor(second, first)).toBe(false);
  expect(await repository.isAncestor('e'.repeat(40), second)).toBe(false);
  await expect(repository.isAncestor(first, 'e'.repeat(40))).rejects.toMatchObject({ code: 'history-unreadable' });
  const shallow = join(await temporaryFolder(), 'shallow');
  await git(folder, 'clone', '--quiet', '--depth=1', `file://${folder}`, shallow);
  await expect((await open(shallow)).isAncestor(first, second)).rejects.toMatchObject({ code: 'history-unreadable' });
});

test('a closed repository runs nothing any more', async () => {
  const repository = await open(await newCheckout());
  repository.close();
  await expect(repository.head()).rejects.toMatchObject({ code: 'source-closed' });
});
