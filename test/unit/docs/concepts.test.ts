import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { actions, risks } from '../../../src/plan/plan.ts';
import { firstCells, readPage, root, sectionOf } from './markdown.ts';

const concepts = readPage('docs/concepts.md');

const sourceOf = (file: string): string => readFileSync(join(root, 'src', file), 'utf8');

function sourcesIn(folder: string): string {
  return readdirSync(join(root, 'src', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => sourceOf(join(folder, name)))
    .join('\n');
}

function codesIn(text: string, pattern: RegExp): readonly string[] {
  return [...new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''))].toSorted();
}

const table = (heading: string): readonly string[] => firstCells(sectionOf(concepts, heading)).toSorted();

const plannerCodes = codesIn(sourcesIn('plan'), /\bcode: '([a-z-]+)'/g);
const guards = ['guards', 'guard-bootstrap', 'guard-restore', 'guard-input']
  .map((name) => sourceOf(`apply/${name}.ts`))
  .join('\n');
const guardCodes = codesIn(guards, /\brefuse\(\s*input,\s*'([a-z-]+)'/g);

describe('the tables of docs/concepts.md', () => {
  test('codes are found in the source', () => {
    expect(plannerCodes).toContain('bootstrap-not-declared');
    expect(guardCodes).toContain('backup-missing');
    // A code that is not written as a plain text would escape the search.
    expect(sourcesIn('plan')).not.toMatch(/\bcode: [^'\n]*[`"(]/);
    expect(codesIn(guards, /\brefuse\(\s*input,\s*([^'\s])/g)).toEqual([]);
  });

  test('every code of the planner has its row: as a refusal, a wait or a warning', () => {
    const rows = [...table('### Refusals of the planner'), ...table('## Waits'), ...table('## Warnings')];
    expect(rows.toSorted()).toEqual(plannerCodes);
  });

  test('what the planner refuses with stands in its table of refusals', () => {
    const refused = codesIn(sourcesIn('plan'), /\bdraft\.refuse\(\{\s*code: '([a-z-]+)'/g);
    expect(refused.length).toBeGreaterThan(10);
    expect(table('### Refusals of the planner')).toEqual(expect.arrayContaining([...refused]));
  });

  test('every refusal of the guard has its row, and no other has', () => {
    expect(table('### Refusals of the guard')).toEqual(guardCodes);
  });

  test('the codes of failed runs exist', () => {
    const known = codesIn(sourcesIn('apply'), /\bcode: '([a-z-]+)'/g);
    const rows = table('### When a run fails');
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.filter((code) => !known.includes(code))).toEqual([]);
  });

  test('every action has its row, with a risk that exists', () => {
    expect(table('## Actions')).toEqual(actions.toSorted());
    const rows = sectionOf(concepts, '## Actions')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    for (const row of rows) {
      const named = [...(row.split(' | ')[2] ?? '').matchAll(/`([a-z-]+)`/g)].map((match) => match[1] ?? '');
      const stated = named.filter((name) => name !== 'discardData');
      expect(stated.length, row).toBeGreaterThan(0);
      expect(risks, row).toEqual(expect.arrayContaining(stated));
    }
  });

  test('every exit code has its row', () => {
    const rows = [...sectionOf(concepts, '## Exit codes').matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]));
    expect(rows).toEqual(Object.values(exitCodes).toSorted((a, b) => a - b));
  });
});
