import { defineConfig } from 'vitest/config';

const root = new URL('../../', import.meta.url).pathname;

/**
 * Two projects, one after the other: `unit` runs its files side by side, `heavy` starts whole clusters and runs
 * one file at a time, so that two cores are enough and a slow machine does not look like a slow cluster.
 * Times are bounds against hanging, not expectations.
 */
export default defineConfig({
  root,
  cacheDir: 'node_modules/.cache/vitest',
  test: {
    reporters: ['default', './test/support/skip-reasons.mjs'],
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/{unit,scenarios,simulation}/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
          allowOnly: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'heavy',
          include: ['test/{e2e,acceptance}/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          allowOnly: false,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
