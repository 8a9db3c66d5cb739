import type { AmbientUse } from './ambient.ts';
import { ambientUsesOf } from './ambient.ts';
import { findCycles } from './cycles.ts';
import { findImpurities, isBuiltin, isHarmlessImport } from './purity.ts';
import type { SourceFile } from './source-tree.ts';
import { isGenerated, listFiles, readSource, resolveImport } from './source-tree.ts';
import type { ImportSite } from './syntax.ts';

export interface LayeringRules {
  /**
   * Folder → what its files may import of the other folders: `base` (anything of it), `etcd/releases` (that file, or
   * the folder of that name), `type spec` (only types).
   */
  readonly folders: Readonly<Record<string, readonly string[]>>;
  /** Package or `node:` module → the only folders, or paths, that may import it; `*` for all. */
  readonly owners: Readonly<Record<string, readonly string[]>>;
  /** Folders that import no module of Node and reach nothing that touches the world. */
  readonly pure: readonly string[];
  /** What is taken from the surroundings → the only folders, or paths, that may take it. */
  readonly ambient: Readonly<Record<AmbientUse['kind'], readonly string[]>>;
  /** Export that makes the real thing → the only folders, or paths, that may import it. */
  readonly makers: Readonly<Record<string, readonly string[]>>;
  /** Folder → kinds of files beside `.ts` that it may hold. */
  readonly otherKinds: Readonly<Record<string, readonly string[]>>;
  readonly maxLines: number;
}

/** One line for each breach below `root` (a `src` folder): where, what, what is allowed. Empty when all is well. */
export function findViolations(root: string, rules: LayeringRules): readonly string[] {
  const paths = listFiles(root);
  const known = new Set(paths);
  const files = paths.filter((path) => path.endsWith('.ts')).map((path) => readSource(root, path));
  return [
    ...paths.flatMap((path) => checkPlace(path, rules)),
    ...files.flatMap((file) => checkFile(file, known, rules)),
    ...rules.pure.flatMap((folder) => findImpurities(files, folder)),
    ...findCycles(graphOf(files)).map((cycle) => `${cycle[0] ?? ''}: cycle ${cycle.join(' → ')}`),
  ];
}

function checkPlace(path: string, rules: LayeringRules): string[] {
  const [folder = '', ...below] = path.split('/');
  if (below.length === 0) return [`${path}: stands in no folder`];
  if (!Object.hasOwn(rules.folders, folder)) return [`${path}: ${folder}/ is not in the table of folders`];
  const kinds = ['.ts', ...(rules.otherKinds[folder] ?? [])];
  const isKnownKind =
    kinds.some((kind) => path.endsWith(kind)) && !path.endsWith('.d.ts') && !path.endsWith('.test.ts');
  if (!isKnownKind) return [`${path}: ${folder}/ holds only ${kinds.join(', ')} files`];
  const odd = below.find((part) => !/^[a-z0-9]+(?:[-.][a-z0-9]+)*$/.test(part));
  return odd === undefined ? [] : [`${path}: names are in lower case with dashes, not ${odd}`];
}

function checkFile(file: SourceFile, known: ReadonlySet<string>, rules: LayeringRules): string[] {
  const lines = file.text.split('\n').length - 1;
  const isLong = lines > rules.maxLines && !isGenerated(file.path);
  return [
    ...(isLong ? [`${file.path}: ${lines} lines, more than ${rules.maxLines}`] : []),
    ...file.imports.flatMap((site) =>
      checkImport(file, site, known, rules).map((text) => `${file.path}:${site.line}: ${text}`),
    ),
    ...ambientUsesOf(file.program, file.text)
      .filter((use) => !isIn(file.path, rules.ambient[use.kind]))
      .map(
        (use) =>
          `${file.path}:${use.line}: ${use.what}: ${use.kind} is handed in, only ${placesText(rules.ambient[use.kind])} may take it`,
      ),
  ];
}

function checkImport(file: SourceFile, site: ImportSite, known: ReadonlySet<string>, rules: LayeringRules): string[] {
  const { specifier } = site;
  if (specifier === null) return ['imports a computed name'];
  if (!specifier.startsWith('.')) return checkPackage(file, site, specifier, rules);
  const target = resolveImport(file.path, specifier);
  if (target.startsWith('..')) return [`imports ${specifier}, which is outside src/`];
  if (!known.has(target)) return [`imports ${specifier}, which is not there`];
  const targetFolder = target.slice(0, Math.max(0, target.indexOf('/')));
  const allowed = rules.folders[file.folder] ?? [];
  const isAllowed = targetFolder === file.folder || allowed.some((entry) => admits(entry, target, site.isType));
  const problems = isAllowed
    ? []
    : [`imports ${site.isType ? 'types of ' : ''}${target}: ${file.folder}/ may import ${allowedText(allowed)}`];
  for (const name of site.names) {
    const places = Object.hasOwn(rules.makers, name) && !site.isType ? rules.makers[name] : undefined;
    if (places !== undefined && !isIn(file.path, places))
      problems.push(`imports ${name}: only ${placesText(places)} may`);
  }
  return problems;
}

function checkPackage(file: SourceFile, site: ImportSite, specifier: string, rules: LayeringRules): string[] {
  const name = isBuiltin(specifier) ? specifier : packageOf(specifier);
  if (isBuiltin(specifier)) {
    if (rules.pure.includes(file.folder)) return [`imports ${specifier}: ${file.folder}/ is pure`];
    if (!specifier.startsWith('node:')) return [`imports ${specifier}: write node:${specifier}`];
    if (isHarmlessImport(site)) return [];
  }
  const places = Object.hasOwn(rules.owners, name) ? rules.owners[name] : undefined;
  if (places === undefined) return isBuiltin(specifier) ? [] : [`imports ${name}, which is not in the table of owners`];
  return isIn(file.path, places) ? [] : [`imports ${name}: only ${placesText(places)} may`];
}

/** `@peculiar/x509/build/x` → `@peculiar/x509`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function admits(entry: string, target: string, isType: boolean): boolean {
  const isForTypes = entry.startsWith('type ');
  if (isForTypes && !isType) return false;
  return isIn(target, [isForTypes ? entry.slice('type '.length) : entry]);
}

/** A place is a folder (`agent`), a folder within (`etcd/binaries`) or a file without its ending (`agent/wire`). */
function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => place === '*' || path === `${place}.ts` || path.startsWith(`${place}/`));
}

function allowedText(entries: readonly string[]): string {
  return entries.length === 0 ? 'nothing' : `only ${entries.join(', ')}`;
}

function placesText(places: readonly string[]): string {
  return places.length === 0 ? 'nobody' : places.map((place) => (place.includes('/') ? place : `${place}/`)).join(', ');
}

function graphOf(files: readonly SourceFile[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    files.map((file) => [
      file.path,
      file.imports.flatMap(({ specifier }) =>
        specifier?.startsWith('.') === true ? [resolveImport(file.path, specifier)] : [],
      ),
    ]),
  );
}
