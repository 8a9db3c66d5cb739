import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { parseDocument } from '../../../src/base/document.ts';
import { goodSpec } from './good-spec.ts';
import { load } from './loading.ts';

describe('hostile input', () => {
  test('any text or bytes give findings, never an exception', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array(), fc.string()), (content) => {
        const { specs, diagnostics, broken } = load(content);
        expect(specs).toEqual([]);
        expect(broken).toHaveLength(1);
        expect(diagnostics.length).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  test('a spec with pieces of text cut out or put in never throws, and every finding has a place in the file', () => {
    const pieces = fc.constantFrom(
      '',
      ' ',
      '\n',
      ':',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '*z',
      '&z ',
      '"',
      '!!x ',
      '0',
      '~',
      '1e999',
      '# ',
      '? ',
      '<<',
      '|',
      '\t',
    );
    fc.assert(
      fc.property(fc.nat(goodSpec.length), fc.nat(40), pieces, (start, length, piece) => {
        const text = goodSpec.slice(0, start) + piece + goodSpec.slice(start + length);
        const lines = text.split('\n');
        for (const { line, column } of load(text).diagnostics) {
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeLessThanOrEqual((lines[(line ?? 1) - 1] ?? '').length + 1);
        }
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  test('a spec with any part exchanged for any value never throws', () => {
    const good = parseDocument('good.yaml', goodSpec).document?.value;
    const paths = pathsOf(good, []);
    const wrong = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(null, {}, [], '', -1, 3, 'never', '8GiB', true),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...paths), wrong), { minLength: 1, maxLength: 3 }), (edits) => {
        let value = good;
        for (const [path, replacement] of edits) value = replaced(value, path, replacement);
        const { specs, diagnostics } = load(stringify(value));
        expect(specs.length === 1 || diagnostics.length > 0).toBe(true);
      }),
      { numRuns: 300 },
    );
  }, 60_000);
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, at: Path): Path[] {
  if (Array.isArray(value))
    return value.flatMap((item: unknown, index) => [[...at, index], ...pathsOf(item, [...at, index])]);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [[...at, key], ...pathsOf(item, [...at, key])]);
}

function replaced(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  if (Array.isArray(value))
    return value.map((item: unknown, index) => (index === key ? replaced(item, rest, replacement) : item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, name === key ? replaced(item, rest, replacement) : item]),
  );
}
