import { expect } from 'vitest';

// Vitest's asymmetric matchers are of type `any`; these are safe to put into an expected object.

export const aNumber: unknown = expect.any(Number);

export function containing(text: string): unknown {
  return expect.stringContaining(text);
}

export function matching(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}
