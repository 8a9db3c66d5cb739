import { builtinModules } from 'node:module';
import { ambientUsesOf } from './ambient.ts';
import type { SourceFile } from './source-tree.ts';
import { resolveImport } from './source-tree.ts';
import type { ImportSite } from './syntax.ts';

const builtins: ReadonlySet<string> = new Set(builtinModules);

/** What a module of Node offers that computes and touches nothing. */
const pureExports: Readonly<Record<string, readonly string[]>> = { 'node:net': ['isIP', 'isIPv4', 'isIPv6'] };

export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtins.has(specifier);
}

/** Only types, or only functions that touch nothing, are taken from the module. */
export function isHarmlessImport(site: ImportSite): boolean {
  const pure = pureExports[site.specifier ?? ''] ?? [];
  return site.isType || (site.names.length > 0 && site.names.every((name) => pure.includes(name)));
}

/**
 * A pure folder stays pure in all that it runs: every file that it reaches by imports of values touches nothing
 * either. `base/` is not followed: its functions are small and are handed the clock like everything else.
 */
export function findImpurities(files: readonly SourceFile[], pureFolder: string): readonly string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reachedFrom = new Map<string, string>();
  const pending = files.filter((file) => file.folder === pureFolder);
  const found: string[] = [];
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    const via = reachedFrom.get(file.path);
    if (via !== undefined) {
      for (const what of impuritiesOf(file))
        found.push(`${file.path}: ${what}, and ${via} brings it into ${pureFolder}/`);
    }
    for (const path of valueImportsOf(file)) {
      const next = byPath.get(path);
      if (next === undefined || next.folder === pureFolder || next.folder === 'base' || reachedFrom.has(path)) continue;
      reachedFrom.set(path, file.path);
      pending.push(next);
    }
  }
  return found;
}

function impuritiesOf(file: SourceFile): string[] {
  const modules = file.imports.filter(({ specifier }) => specifier !== null && isBuiltin(specifier));
  return [
    ...modules.filter((site) => !isHarmlessImport(site)).map((site) => `imports ${site.specifier ?? ''}`),
    ...ambientUsesOf(file.program, file.text).map((use) => `takes ${use.what}`),
  ];
}

function valueImportsOf(file: SourceFile): string[] {
  return file.imports.flatMap(({ specifier, isType }) =>
    specifier === null || isType || !specifier.startsWith('.') ? [] : [resolveImport(file.path, specifier)],
  );
}
