import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, linksOf, pages, readPage, root } from './markdown.ts';

interface Link {
  readonly page: string;
  readonly target: string;
  /** Relative to the root; the page itself for a bare anchor. */
  readonly file: string;
  readonly anchor: string;
}

function relativeLinks(page: string): readonly Link[] {
  return linksOf(readPage(page))
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#');
      return { page, target, file: path === '' ? page : normalize(join(dirname(page), path)), anchor };
    });
}

const links = pages().flatMap((page) => relativeLinks(page));

describe('links of the README and the docs', () => {
  test('there are some, so that the tests below look at something', () => {
    expect(pages().length).toBeGreaterThan(8);
    expect(links.length).toBeGreaterThan(40);
  });

  test('none is dead', () => {
    const dead = links.filter(({ file }) => file.startsWith('..') || !existsSync(join(root, file)));
    expect(dead.map(({ page, target }) => `${page}: ${target}`)).toEqual([]);
  });

  test('anchors are headings of the page', () => {
    const lost = links
      .filter(({ file, anchor }) => anchor !== '' && file.endsWith('.md'))
      .filter(({ file, anchor }) => existsSync(join(root, file)) && !anchorsOf(readPage(file)).has(anchor));
    expect(lost.map(({ page, target }) => `${page}: ${target}`)).toEqual([]);
  });

  test('every page can be reached from the README', () => {
    const reached = new Set(['README.md']);
    // A set visits what is added to it while it is walked; each page is added once.
    for (const page of reached)
      for (const { file } of relativeLinks(page)) if (pages().includes(file)) reached.add(file);
    expect(pages().filter((page) => !reached.has(page))).toEqual([]);
  });

  test('every picture and every example is linked to', () => {
    const named = new Set(links.map(({ file }) => file));
    const files = ['docs', 'examples'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(svg|ya?ml)$/.test(name))
        .map((name) => join(folder, name)),
    );
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((file) => !named.has(file))).toEqual([]);
  });

  test('a heading gives the anchor that GitHub gives it', () => {
    const text =
      "# What it refuses, and why\n\n## The fleet's own `pki`\n\n```sh\n# no heading\n```\n\n## Twice\n## Twice\n";
    expect([...anchorsOf(text)]).toEqual(['what-it-refuses-and-why', 'the-fleets-own-pki', 'twice', 'twice-1']);
  });
});
