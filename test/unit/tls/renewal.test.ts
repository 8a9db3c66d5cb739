import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renewalDueAtMs } from '../../../src/tls/renewal.ts';

const serials = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));

test('due within the twentieth of the life before two thirds of it, and the same at every look', () => {
  const life = fc.integer({ min: 3_600_000, max: 94_608_000_000 });
  fc.assert(
    fc.property(life, fc.integer({ min: 0, max: 4e12 }), serials, (lifeMs, notBeforeMs, serial) => {
      const certificate = { notBeforeMs, notAfterMs: notBeforeMs + lifeMs, serial };
      const part = (renewalDueAtMs(certificate) - notBeforeMs) / lifeMs;
      expect(part).toBeGreaterThanOrEqual(2 / 3 - 1 / 20 - 1e-6);
      expect(part).toBeLessThanOrEqual(2 / 3 + 1e-6);
      expect(renewalDueAtMs({ ...certificate })).toBe(renewalDueAtMs(certificate));
    }),
  );
});

test('leaves made together are renewed apart', () => {
  const due = Array.from({ length: 100 }, (_, index) =>
    renewalDueAtMs({
      notBeforeMs: 0,
      notAfterMs: 90 * 86_400_000,
      serial: (index * 7919).toString(16).padStart(32, '0'),
    }),
  );
  // 4.5 days of jitter: a hundred leaves meet every quarter of it.
  const quarters = new Set(due.map((dueMs) => Math.floor((60 * 86_400_000 - dueMs) / (4.5 * 86_400_000) / 0.25)));
  expect(quarters.size).toBeGreaterThanOrEqual(4);
});
