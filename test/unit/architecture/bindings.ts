import type { SyntaxNode } from './syntax.ts';
import { isNode, nameOf, nodesOf, walk } from './syntax.ts';

interface Binding {
  readonly name: string;
  /** The part of the text in which the name means this binding. */
  readonly scope: { readonly start: number; readonly end: number };
}

/** Tells whether the name at an offset is declared by the file itself, so that it is not the global one. */
export function localNames(program: SyntaxNode): (name: string, offset: number) => boolean {
  const parents = new Map<SyntaxNode, SyntaxNode>();
  const bindings: Binding[] = [];
  walk(program, (node, parent) => {
    if (parent !== null) parents.set(node, parent);
    const patterns = declaredPatterns(node);
    if (patterns.length === 0) return;
    // A function's name belongs to what surrounds it, its parameters to itself.
    const isNamed = node.type === 'FunctionDeclaration' || node.type === 'ClassDeclaration';
    const scope = rangeOf(isScope(node) && !isNamed ? node : scopeAround(node, parents));
    for (const name of patterns.flatMap(namesIn)) bindings.push({ name, scope });
    if (node.type === 'FunctionDeclaration') {
      for (const name of nodesOf(node.params).flatMap(namesIn)) bindings.push({ name, scope: rangeOf(node) });
    }
  });
  return (name, offset) =>
    bindings.some((binding) => binding.name === name && binding.scope.start <= offset && offset < binding.scope.end);
}

function declaredPatterns(node: SyntaxNode): readonly unknown[] {
  switch (node.type) {
    case 'VariableDeclarator':
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return [node.id];
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return nodesOf(node.params);
    case 'CatchClause':
      return [node.param];
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
      return [node.local];
    default:
      return [];
  }
}

function namesIn(pattern: unknown): string[] {
  if (!isNode(pattern)) return [];
  switch (pattern.type) {
    case 'Identifier':
      return [nameOf(pattern) ?? ''];
    case 'ObjectPattern':
      return nodesOf(pattern.properties).flatMap((property) => namesIn(property.value ?? property.argument));
    case 'ArrayPattern':
      return nodesOf(pattern.elements).flatMap(namesIn);
    case 'AssignmentPattern':
      return namesIn(pattern.left);
    case 'RestElement':
      return namesIn(pattern.argument);
    default:
      return [];
  }
}

const scopeTypes: ReadonlySet<string> = new Set([
  'Program',
  'BlockStatement',
  'StaticBlock',
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ForStatement',
  'ForInStatement',
  'ForOfStatement',
  'SwitchStatement',
  'CatchClause',
]);

function isScope(node: SyntaxNode): boolean {
  return scopeTypes.has(node.type);
}

function scopeAround(node: SyntaxNode, parents: ReadonlyMap<SyntaxNode, SyntaxNode>): SyntaxNode {
  let scope = parents.get(node) ?? node;
  while (!isScope(scope)) {
    const parent = parents.get(scope);
    if (parent === undefined) return scope;
    scope = parent;
  }
  return scope;
}

function rangeOf(node: SyntaxNode): { start: number; end: number } {
  return { start: node.start, end: node.end };
}
