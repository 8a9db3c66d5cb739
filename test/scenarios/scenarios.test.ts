import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMap, parseDocument, Scalar } from 'yaml';
import { actions } from '../../src/plan/plan.ts';
import { makeStateDir } from '../support/model/converge.ts';
import { type Story, type Told, tell } from '../support/model/story.ts';

/** With it set, the plans and ends in the files are written anew; look at the diff before it is committed. */
const isRewriting = process.env['QUORATE_REWRITE'] === '1';
const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

let stateDir: string;
beforeAll(async () => {
  stateDir = await makeStateDir();
});
afterAll(() => rm(stateDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 }));

function storiesOf(file: string): readonly Story[] {
  return parseDocument(readFileSync(new URL(file, folder), 'utf8')).toJS() as readonly Story[];
}

describe.each(files)('%s', (file) => {
  const told = new Map<string, Told>();
  it.each(storiesOf(file))('$title', async (story) => {
    const result = await tell(story, stateDir);
    told.set(story.title, result);
    expect(result.violations).toEqual([]);
    const expected = isRewriting ? result : story;
    expect({ plan: result.plan, end: result.end }).toEqual({ plan: expected.plan, end: expected.end });
  });
  afterAll(() => {
    if (isRewriting) rewrite(file, told);
  });
});

function rewrite(file: string, told: ReadonlyMap<string, Told>): void {
  const document = parseDocument(readFileSync(new URL(file, folder), 'utf8'));
  for (const [index, { title }] of storiesOf(file).entries()) {
    const node = document.getIn([index]);
    const result = told.get(title);
    if (!isMap(node) || result === undefined) continue;
    for (const part of ['plan', 'end'] as const) {
      const text = new Scalar(result[part]);
      text.type = Scalar.BLOCK_LITERAL;
      node.set(part, text);
    }
  }
  writeFileSync(new URL(file, folder), document.toString({ lineWidth: 0, flowCollectionPadding: true }));
}

describe('the scenarios as a whole', () => {
  const lines = new Set(files.flatMap(storiesOf).flatMap((story) => (story.plan ?? '').split('\n')));
  const words = new Set([...lines].flatMap((line) => line.split(' ')));
  const plan = new URL('../../src/plan/', import.meta.url);
  const codes = readdirSync(plan)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.generated.ts'))
    .flatMap((name) =>
      [...readFileSync(new URL(name, plan), 'utf8').matchAll(/\bcode: '([a-z-]+)'/g)].map((match) => match[1]),
    );

  it('have unique titles', () => {
    const titles = files.flatMap(storiesOf).map((story) => story.title);
    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([]);
  });

  it('show every refusal, wait and warning of the planner', () => {
    expect(codes.length).toBeGreaterThan(25);
    expect([...new Set(codes)].filter((code) => code === undefined || !words.has(code))).toEqual([]);
  });

  it('show every action', () => {
    expect(actions.filter((action) => !words.has(action))).toEqual([]);
  });
});
