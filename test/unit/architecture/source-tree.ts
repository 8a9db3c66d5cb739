import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ImportSite, SyntaxNode } from './syntax.ts';
import { importsOf, parseSource } from './syntax.ts';

/** The checkout that this test stands in. */
export const projectRoot = fileURLToPath(new URL('../../../', import.meta.url));

export interface SourceFile {
  /** Below the root of the tree, with slashes: `plan/planner.ts`. */
  readonly path: string;
  /** First part of the path: `plan`; empty for a file that stands in no folder. */
  readonly folder: string;
  readonly text: string;
  readonly program: SyntaxNode;
  readonly imports: readonly ImportSite[];
}

const skippedFolders: ReadonlySet<string> = new Set(['node_modules', 'dist', 'coverage', '.git', '.quorate']);

/** Paths of all files below `root`, with slashes, sorted. Build output and installed packages are left out. */
export function listFiles(root: string): readonly string[] {
  const found: string[] = [];
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isFile()) found.push(relative(root, path).replaceAll('\\', '/'));
      else if (entry.isDirectory() && !skippedFolders.has(entry.name)) pending.push(path);
    }
  }
  return found.sort();
}

export function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const program = parseSource(path, text);
  const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
  return { path, folder, text, program, imports: importsOf(program, text) };
}

/** Where a relative import leads, below the root of the tree: `../base/clock.ts` in `plan/x.ts` is `base/clock.ts`. */
export function resolveImport(from: string, specifier: string): string {
  return posix.normalize(posix.join(dirname(from), specifier));
}

/** Generated files keep no house rules but those of direction. */
export function isGenerated(path: string): boolean {
  return path.includes('generated');
}
