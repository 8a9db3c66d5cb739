import { parseAst } from 'vitest/node';

export interface SyntaxNode {
  readonly type: string;
  /** Offsets in the text, in UTF-16 units; `end` is exclusive. */
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

/** One import, re-export, dynamic import or `import('…')` type of a file. */
export interface ImportSite {
  /** As written; null when a dynamic import computes it. */
  readonly specifier: string | null;
  /** True when nothing is left of it at run time. */
  readonly isType: boolean;
  /** The exported names asked for; empty for a whole module. */
  readonly names: readonly string[];
  readonly line: number;
}

/** Parses TypeScript, and JavaScript with it. Throws the parser's error. */
export function parseSource(path: string, text: string): SyntaxNode {
  // The parser that Vitest brings; its successor is only to be had from packages that are not ours.
  // oxlint-disable-next-line typescript/no-deprecated
  const program: unknown = parseAst(text, { lang: 'ts', astType: 'ts', sourceType: 'module' }, path);
  if (!isNode(program)) throw new Error(`the parser gave no program for ${path}`);
  return program;
}

/** Calls `visit` for every node below and including `node`, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent: SyntaxNode | null) => void): void {
  const pending: [SyntaxNode, SyntaxNode | null][] = [[node, null]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [current, parent] = next;
    visit(current, parent);
    const children = Object.values(current).flat().filter(isNode);
    for (const child of children.reverse()) pending.push([child, current]);
  }
}

export function importsOf(program: SyntaxNode, text: string): readonly ImportSite[] {
  const found: ImportSite[] = [];
  walk(program, (node) => {
    const site = importSite(node);
    if (site !== null) found.push({ ...site, line: lineAt(text, node.start) });
  });
  return found;
}

function importSite(node: SyntaxNode): Omit<ImportSite, 'line'> | null {
  switch (node.type) {
    case 'ImportDeclaration':
      return {
        specifier: stringOf(node.source),
        isType: node.importKind === 'type' || areAllTypes(node.specifiers, 'importKind'),
        names: namesOf(node.specifiers, 'imported'),
      };
    case 'ExportNamedDeclaration':
      if (!isNode(node.source)) return null;
      return {
        specifier: stringOf(node.source),
        isType: node.exportKind === 'type' || areAllTypes(node.specifiers, 'exportKind'),
        names: namesOf(node.specifiers, 'local'),
      };
    case 'ExportAllDeclaration':
      return { specifier: stringOf(node.source), isType: node.exportKind === 'type', names: [] };
    case 'ImportExpression':
      return { specifier: stringOf(node.source), isType: false, names: [] };
    case 'TSImportType':
      return { specifier: stringOf(node.source), isType: true, names: [] };
    default:
      return null;
  }
}

function areAllTypes(specifiers: unknown, kind: 'importKind' | 'exportKind'): boolean {
  const nodes = nodesOf(specifiers);
  return nodes.length > 0 && nodes.every((specifier) => specifier[kind] === 'type');
}

function namesOf(specifiers: unknown, key: 'imported' | 'local'): string[] {
  return nodesOf(specifiers).flatMap((specifier) => {
    const name = specifier[key];
    return specifier.type === 'ImportNamespaceSpecifier' || !isNode(name) ? [] : [nameOf(name) ?? ''];
  });
}

/** The name of an identifier, or the text of a string literal; null for anything else. */
export function nameOf(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (typeof node.name === 'string') return node.name;
  return stringOf(node);
}

/** The value of a string literal or of a template without parts; null for anything else. */
export function stringOf(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : null;
  if (node.type === 'TSLiteralType') return stringOf(node.literal);
  if (node.type !== 'TemplateLiteral') return null;
  const [only, ...others] = nodesOf(node.quasis);
  const value = only?.value;
  const isPlain = others.length === 0 && typeof value === 'object' && value !== null && 'cooked' in value;
  return isPlain && typeof value.cooked === 'string' ? value.cooked : null;
}

export function nodesOf(value: unknown): readonly SyntaxNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}
