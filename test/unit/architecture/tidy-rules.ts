import type { SyntaxNode } from './syntax.ts';
import { isNode, lineAt, nameOf, nodesOf, parseSource, stringOf, walk } from './syntax.ts';

/** One line for each thing that stands in a text of the project and should not; `path` is below the project's root. */
export function untidyIn(path: string, text: string): readonly string[] {
  const isCode = /\.(?:ts|mjs)$/.test(path);
  const program = isCode ? parseSource(path, text) : null;
  return [...untidyText(path, text), ...(program === null ? [] : untidyCode(path, text, program))];
}

// Assembled, so that this file does not find itself.
const marks = new RegExp(`\\b(?:${'TO'}DO|${'FIX'}ME)\\b|(?://|#|\\*|<!--)\\s*(?:${'X'}XX|${'H'}ACK)\\b`);
/** Folders of people and of build machines; the places that every Linux host has are none of them. */
const machinePaths = /(?:^|[\s'"`(=:])(\/(?:home|root|Users|work|workspace|builds|github|mnt)\/[\w.-]+)/;

function untidyText(path: string, text: string): string[] {
  const found: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${path}:${index + 1}`;
    const mark = marks.exec(line);
    if (mark !== null) found.push(`${at}: ${mark[0]}: finish it or leave it out`);
    const machinePath = machinePaths.exec(line)?.[1];
    if (machinePath !== undefined) found.push(`${at}: ${machinePath} is a path of one machine`);
  }
  if (path.endsWith('package-lock.json')) found.push(...registryAddresses(path, text));
  if (text !== '' && !text.endsWith('\n')) found.push(`${path}: does not end with a line break`);
  return found;
}

/** A lock file that names a registry ties every clone to it. */
function registryAddresses(path: string, text: string): string[] {
  const lock: unknown = JSON.parse(text);
  const packages = typeof lock === 'object' && lock !== null && 'packages' in lock ? lock.packages : undefined;
  if (typeof packages !== 'object' || packages === null) return [`${path}: has no list of packages`];
  return Object.entries(packages)
    .filter(([, entry]) => typeof entry === 'object' && entry !== null && 'resolved' in entry)
    .map(([name]) => `${path}: ${name} names the registry it came from: npm config omit-lockfile-registry-resolved`);
}

const testFunctions: ReadonlySet<string> = new Set(['it', 'test', 'describe', 'suite', 'bench']);
const skippers: ReadonlySet<string> = new Set(['skip', 'skipIf', 'runIf', 'todo', 'fails']);
const minReasonLength = 10;

function untidyCode(path: string, text: string, program: SyntaxNode): string[] {
  const found: string[] = [];
  const mayPrint = /^(?:src\/cli|test\/support|test\/bench)\//.test(path);
  walk(program, (node, parent) => {
    const complaint = testModifier(node, parent) ?? skipWithoutReason(node) ?? (mayPrint ? null : printing(node));
    if (complaint !== null) found.push(`${path}:${lineAt(text, node.start)}: ${complaint}`);
  });
  return found;
}

/**
 * `it.only`, `describe.skip`, `it.each(…).skip` and the like: the run is smaller than it looks. A condition that is
 * itself a reason, `describe.skipIf(skipReason(x) !== undefined)`, says why.
 */
function testModifier(node: SyntaxNode, parent: SyntaxNode | null): string | null {
  if (node.type !== 'MemberExpression' || !testFunctions.has(baseName(node.object))) return null;
  const name = nameOf(node.property) ?? '';
  if (name === 'only') return 'only: every other test of the file is left out';
  if (!skippers.has(name)) return null;
  const isCondition = (name === 'skipIf' || name === 'runIf') && parent?.type === 'CallExpression';
  if (isCondition && nodesOf(parent.arguments).some(namesReason)) return null;
  return `${name}: say why in the test, with context.skip('reason'), so that the run can list it`;
}

function namesReason(node: SyntaxNode): boolean {
  let isNamed = false;
  walk(node, (inner) => {
    isNamed ||= inner.type === 'Identifier' && /reason/i.test(nameOf(inner) ?? '');
  });
  return isNamed;
}

/** The name at the root of `it.concurrent.each(…)`: `it`. */
function baseName(node: unknown): string {
  let current = node;
  while (isNode(current)) {
    if (current.type === 'MemberExpression') current = current.object;
    else if (current.type === 'CallExpression') current = current.callee;
    else return nameOf(current) ?? '';
  }
  return '';
}

/** `context.skip()` and a destructured `skip()` want a reason, as the last argument. */
function skipWithoutReason(node: SyntaxNode): string | null {
  if (node.type !== 'CallExpression' || !isNode(node.callee)) return null;
  const callee = node.callee.type === 'MemberExpression' ? node.callee.property : node.callee;
  const isSkip = isNode(callee) && nameOf(callee) === 'skip' && !testFunctions.has(baseName(node.callee));
  if (!isSkip) return null;
  const reason = nodesOf(node.arguments).at(-1);
  const text = stringOf(reason);
  const isReason = reason !== undefined && (text === null || text.length >= minReasonLength);
  return isReason ? null : 'skip without a reason';
}

function printing(node: SyntaxNode): string | null {
  if (node.type !== 'MemberExpression' || !isNode(node.object) || nameOf(node.object) !== 'console') return null;
  return 'console: only src/cli, test/support and test/bench print';
}
