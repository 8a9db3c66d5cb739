import { localNames } from './bindings.ts';
import type { SyntaxNode } from './syntax.ts';
import { isNode, lineAt, nameOf, nodesOf, walk } from './syntax.ts';

/** Something that a file takes from its surroundings instead of being handed it. */
export interface AmbientUse {
  readonly kind: 'clock' | 'timer' | 'random' | 'process' | 'network';
  /** As it is written: `Date.now`. */
  readonly what: string;
  readonly line: number;
}

const globals: Readonly<Record<string, AmbientUse['kind']>> = {
  performance: 'clock',
  setTimeout: 'timer',
  setInterval: 'timer',
  setImmediate: 'timer',
  queueMicrotask: 'timer',
  process: 'process',
  globalThis: 'process',
  crypto: 'random',
  fetch: 'network',
  WebSocket: 'network',
};

/** Every use of the clock, chance, the process or the network that needs no import. */
export function ambientUsesOf(program: SyntaxNode, text: string): readonly AmbientUse[] {
  const uses: (AmbientUse & { readonly name: string; readonly start: number })[] = [];
  walk(program, (node, parent) => {
    if (node.type !== 'Identifier' || parent === null || isNameOnly(node, parent)) return;
    const use = ambientUse(node, parent);
    if (use !== null) {
      uses.push({ ...use, line: lineAt(text, node.start), name: nameOf(node) ?? '', start: node.start });
    }
  });
  if (uses.length === 0) return [];
  const isLocal = localNames(program);
  return uses.filter(({ name, start }) => !isLocal(name, start)).map(({ kind, what, line }) => ({ kind, what, line }));
}

function ambientUse(node: SyntaxNode, parent: SyntaxNode): Omit<AmbientUse, 'line'> | null {
  const name = nameOf(node) ?? '';
  if (name === 'Date' && !isHarmlessDate(node, parent)) return { kind: 'clock', what: describe(name, parent) };
  if (name === 'Math' && !isHarmlessMath(parent)) return { kind: 'random', what: describe(name, parent) };
  const kind = Object.hasOwn(globals, name) ? globals[name] : undefined;
  return kind === undefined ? null : { kind, what: describe(name, parent) };
}

/** The identifier names a property, a member of a type or a type, and reads no variable. */
function isNameOnly(node: SyntaxNode, parent: SyntaxNode): boolean {
  if (parent.type === 'MemberExpression') return parent.property === node && parent.computed !== true;
  if (parent.type === 'Property') return parent.key === node && parent.computed !== true;
  if (parent.key === node || parent.type === 'ImportSpecifier' || parent.type === 'ExportSpecifier') return true;
  return parent.type.startsWith('TS') && !valueWrappers.has(parent.type);
}

/** TypeScript nodes around a value: `x as T`, `x!`, `x satisfies T`, `typeof x`. */
const valueWrappers: ReadonlySet<string> = new Set([
  'TSAsExpression',
  'TSNonNullExpression',
  'TSSatisfiesExpression',
  'TSTypeAssertion',
]);

/** `new Date(ms)`, `Date.parse(text)` and `Date.UTC(…)` compute; everything else can read the clock. */
function isHarmlessDate(node: SyntaxNode, parent: SyntaxNode): boolean {
  if (parent.type === 'NewExpression') return parent.callee === node && nodesOf(parent.arguments).length > 0;
  if (parent.type === 'BinaryExpression') return parent.operator === 'instanceof';
  return isMemberOtherThan(parent, 'now');
}

function isHarmlessMath(parent: SyntaxNode): boolean {
  return isMemberOtherThan(parent, 'random');
}

function isMemberOtherThan(parent: SyntaxNode, forbidden: string): boolean {
  return parent.type === 'MemberExpression' && parent.computed !== true && nameOf(parent.property) !== forbidden;
}

function describe(name: string, parent: SyntaxNode): string {
  if (parent.type === 'NewExpression') return `new ${name}()`;
  const isMember = parent.type === 'MemberExpression' && parent.computed !== true && isNode(parent.property);
  return isMember ? `${name}.${nameOf(parent.property) ?? ''}` : name;
}
