import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { reasonSentence, reasonSentences } from '../../../src/report/reasons.ts';
import { nameOf, nodesOf, parseSource, type SyntaxNode, stringOf, walk } from '../architecture/syntax.ts';

const folder = new URL('../../../src/plan/', import.meta.url);

/** String literals that an expression may come to. */
function outcomes(node: unknown): readonly string[] {
  const text = stringOf(node);
  if (text !== null) return [text];
  const candidate = node as SyntaxNode | undefined;
  return candidate?.type === 'ConditionalExpression'
    ? [...outcomes(candidate['consequent']), ...outcomes(candidate['alternate'])]
    : [];
}

/** A parameter without its default. */
function bare(parameter: SyntaxNode): SyntaxNode {
  return parameter.type === 'AssignmentPattern' ? (parameter['left'] as SyntaxNode) : parameter;
}

/** Every reason in the planner: `reason:` of a step, and arguments for parameters of that name with their defaults. */
function plannedReasons(): ReadonlySet<string> {
  const programs = readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.generated.ts'))
    .map((name) => parseSource(name, readFileSync(new URL(name, folder), 'utf8')));
  const found = new Set<string>();
  const places = new Map<string, number>();
  const each = (visit: (node: SyntaxNode) => void): void => programs.forEach((program) => walk(program, visit));
  each((node) => {
    if (node.type !== 'FunctionDeclaration') return;
    const parameters = nodesOf(node['params']);
    const index = parameters.findIndex((parameter) => nameOf(bare(parameter)) === 'reason');
    if (index === -1) return;
    places.set(nameOf(node['id']) ?? '', index);
    for (const text of outcomes(parameters[index]?.['right'])) found.add(text);
  });
  each((node) => {
    if (node.type === 'Property' && nameOf(node['key']) === 'reason')
      for (const text of outcomes(node['value'])) found.add(text);
    const place = node.type === 'CallExpression' ? places.get(nameOf(node['callee']) ?? '') : undefined;
    if (place !== undefined) for (const text of outcomes(nodesOf(node['arguments'])[place])) found.add(text);
  });
  // Reasons that are no steps' would be sentences.
  return new Set([...found].filter((text) => /^[a-z]+(-[a-z]+)*$/.test(text)));
}

it('has a sentence for every reason of the planner, and none for others', () => {
  const reasons = plannedReasons();
  expect(reasons.size).toBeGreaterThan(10);
  expect(Object.keys(reasonSentences).toSorted()).toEqual([...reasons].toSorted());
});

it('writes whole sentences, and shows an unknown reason as it is', () => {
  for (const sentence of Object.values(reasonSentences)) expect(sentence).toMatch(/^[A-Z].*\.$/);
  expect(reasonSentence('made-up')).toBe('made-up');
  expect(reasonSentence('constructor')).toBe('constructor');
});
