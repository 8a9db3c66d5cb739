import fc from 'fast-check';
import { expect, test } from 'vitest';
import { editDistance, nearestName } from '../../../src/base/nearest.ts';

test.each([
  ['memebers', 'members'],
  ['hsots', 'hosts'],
  ['Version', 'version'],
  ['retries', undefined],
  ['x'.repeat(200), undefined],
])('%s means %s', (name, expected) => {
  expect(nearestName(name, ['version', 'members', 'hosts', 'retire-me', 'tls'])).toBe(expected);
});

test('a distance of 0 means the same text, and it is the same in both directions', () => {
  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c', '-') });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      expect(distance).toBe(editDistance(b, a));
      expect(distance === 0).toBe(a === b);
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
    }),
  );
});

test('one slip is a distance of one', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 2, maxLength: 12 }), fc.nat(), (text, seed) => {
      const at = seed % (text.length - 1);
      expect(editDistance(text, text.slice(0, at) + text.slice(at + 1))).toBe(1);
      const swapped = text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2);
      expect(editDistance(text, swapped)).toBe(text === swapped ? 0 : 1);
    }),
  );
});
