import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the project, with a slash at its end. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** `README.md` and everything below `docs/` that ends in `.md`, relative to the root. */
export function pages(): readonly string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => join('docs', name))].toSorted();
}

export function readPage(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** The text without fenced blocks, whose brackets and hashes mean something else. */
function proseOf(text: string): string {
  return text.replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
}

/** Targets of all links and pictures, as written. */
export function linksOf(text: string): readonly string[] {
  return [...proseOf(text).matchAll(/\]\(([^()\s]+)\)/g)].map((match) => match[1] ?? '');
}

/** Anchors that GitHub gives to the headings of a page. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...proseOf(text).matchAll(/^#{1,6} +(.+)$/gm)].map((match) => match[1] ?? '');
  const seen = new Map<string, number>();
  return new Set(
    headings.map((heading) => {
      const slug = heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-');
      const before = seen.get(slug) ?? 0;
      seen.set(slug, before + 1);
      return before === 0 ? slug : `${slug}-${before}`;
    }),
  );
}

/** Text below a heading, up to the next one of the same or a higher level. */
export function sectionOf(text: string, heading: string): string {
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const lines = text.split('\n');
  const start = lines.indexOf(heading);
  if (level === 0 || start === -1) throw new Error(`there is no heading ${JSON.stringify(heading)}`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line) && (/^#+/.exec(line)?.[0].length ?? 0) <= level);
  return rest.slice(0, end === -1 ? undefined : end).join('\n');
}

/** What stands as code in the first cells of a section's table. */
export function firstCells(section: string): readonly string[] {
  return [...section.matchAll(/^\| `([^`]+)`(?:, `([^`]+)`)* \|/gm)].map((match) => match[1] ?? '');
}
