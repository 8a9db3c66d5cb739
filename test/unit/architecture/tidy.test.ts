import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listFiles, projectRoot } from './source-tree.ts';
import { untidyIn } from './tidy-rules.ts';

/** What may stand at the top level beside dotfiles. */
const topLevel = new Set(
  'src schemas examples test docs package.json package-lock.json tsconfig.json tsconfig.build.json README.md LICENSE'.split(
    ' ',
  ),
);
/** Made by installing, building and measuring; .gitignore keeps them out of commits. */
const made = new Set(['node_modules', 'dist', 'coverage']);

const textKinds = /\.(?:ts|mjs|json|ya?ml|md|html|css|svg|sh)$|(?:^|\/)\.[a-z]+(?:rc)?$|^\.ci\/run$/;
/** Rules that name what they forbid, and texts that are wrong on purpose. */
const exempt = new Set(['test/unit/architecture/tidy-rules.ts', 'test/unit/architecture/tidy.test.ts']);

it('keeps the project tidy', () => {
  const paths = listFiles(projectRoot).filter((path) => textKinds.test(path) && !exempt.has(path));
  expect(paths).toContain('package-lock.json');
  expect(paths.flatMap((path) => untidyIn(path, readFileSync(join(projectRoot, path), 'utf8')))).toEqual([]);
});

it('keeps the top level to what a reader expects there', () => {
  const names = readdirSync(projectRoot).filter((name) => !name.startsWith('.') && !made.has(name));
  expect(names.filter((name) => !topLevel.has(name))).toEqual([]);
});

it('runs in a clone with one command', () => {
  const run = join(projectRoot, '.ci/run');
  expect(existsSync(run)).toBe(true);
  expect(statSync(run).mode & 0o111, '.ci/run is executable').not.toBe(0);
});

describe('the rules of tidiness', () => {
  const says = (path: string, text: string): string => untidyIn(path, text).join('\n');

  it.each([
    ['a mark', 'src/a/b.ts', '// TODO: later\n', 'src/a/b.ts:1: TODO'],
    ['a mark of another kind', 'src/a/b.ts', '// XXX: later\n', 'XXX: finish it'],
    ['a mark in a document', 'docs/a.md', 'One\nFIXME two\n', 'docs/a.md:2: FIXME'],
    ['a home folder', 'docs/a.md', 'See /home/ann/etcd.\n', '/home/ann is a path of one machine'],
    ['a build folder', 'test/a.test.ts', "export const a = '/builds/ann';\n", '/builds/ann'],
    ['a lonely test', 'test/a.test.ts', "it.only('a', () => {});\n", 'only'],
    ['a lonely group', 'test/a.test.ts', "describe.concurrent.only('a', () => {});\n", 'only'],
    ['a test skipped for no reason', 'test/a.test.ts', "it.skip('a', () => {});\n", 'skip: say why'],
    ['a test skipped for a hidden reason', 'test/a.test.ts', "it.skipIf(x)('a', () => {});\n", 'skipIf: say why'],
    ['a test that is only planned', 'test/a.test.ts', "it.todo('a');\n", 'todo: say why'],
    ['a skip without words', 'test/a.test.ts', "it('a', (context) => context.skip());\n", 'skip without a reason'],
    ['a skip with one word', 'test/a.test.ts', "it('a', ({ skip }) => skip('no'));\n", 'skip without a reason'],
    ['printing', 'src/apply/a.ts', "console.log('a');\n", 'console'],
    ['a missing last line break', 'docs/a.md', 'text', 'does not end with a line break'],
    [
      'a registry address',
      'package-lock.json',
      '{ "packages": { "node_modules/a": { "resolved": "https://example.org/a.tgz" } } }\n',
      'node_modules/a names the registry',
    ],
  ])('find %s', (_what, path, text, complaint) => {
    expect(says(path, text)).toContain(complaint);
  });

  it.each([
    ['a skip with a reason', 'test/a.test.ts', "it('a', (context) => context.skip('needs a kernel of 5.8'));\n"],
    [
      'a skip on a condition with a reason',
      'test/a.test.ts',
      "it('a', ({ skip }) => skip(x, 'needs the root user'));\n",
    ],
    ['a reason that is worked out', 'test/a.test.ts', "it('a', (context) => context.skip(missing));\n"],
    ['a reason as condition', 'test/a.test.ts', "describe.skipIf(skipReason('a') !== undefined)('a', () => {});\n"],
    ['letters in a text', 'test/a.test.ts', "export const a = 'XXX';\n"],
    ['a property that is called skip', 'src/a/b.ts', 'export const skip = 1;\n'],
    [
      'places that every host has',
      'docs/a.md',
      'In /var/lib/quorate and /etc/quorate, /usr/bin/etcd, https://a/root/b.\n',
    ],
    ['printing by the command', 'src/cli/a.ts', "console.log('a');\n"],
    [
      'a lock file without addresses',
      'package-lock.json',
      '{ "packages": { "node_modules/a": { "version": "1.0.0" } } }\n',
    ],
  ])('accept %s', (_what, path, text) => {
    expect(says(path, text)).toBe('');
  });
});
