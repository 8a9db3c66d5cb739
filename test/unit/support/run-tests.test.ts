import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { projectRoot } from '../architecture/source-tree.ts';

const head = "import { beforeAll, describe, expect, it } from 'vitest';\n";
const good = "it('good', () => { expect(1).toBe(1); });\n";
const bad = "it('bad', () => { expect(1).toBe(2); });\n";
const skipping = "it('left out', (context) => { context.skip('needs a kernel that this host has not'); });\n";
const hookFails =
  "describe('group', () => { beforeAll(() => { throw new Error('hook'); }); it('never runs', () => {}); });\n";

const folder = mkdtempSync(join(tmpdir(), 'quorate-run-tests-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Case {
  readonly what: string;
  /** Text of each test file. */
  readonly files: readonly string[];
  readonly ci?: true;
  readonly args?: readonly string[];
  readonly exitCode: 0 | 1;
  /** The lines that the run ends with. */
  readonly end: readonly string[];
}

const cases: readonly Case[] = [
  {
    what: 'all is well but a skip',
    files: [good, good + skipping],
    exitCode: 0,
    end: ['skipped: 1.test.ts: left out: needs a kernel that this host has not', '2 passed, 0 failed, 1 skipped'],
  },
  {
    what: 'a test is skipped where nobody reads the log',
    files: [good + skipping],
    ci: true,
    exitCode: 1,
    end: ['skipped: 0.test.ts: left out: needs a kernel that this host has not', '1 passed, 0 failed, 1 skipped'],
  },
  {
    what: 'tests, hooks and whole files fail',
    files: [good + bad, "throw new Error('at load');\n", hookFails],
    exitCode: 1,
    end: ['1 passed, 3 failed, 1 skipped'],
  },
  {
    what: 'a name is asked for',
    files: [good + bad],
    ci: true,
    args: ['-t', 'good'],
    exitCode: 0,
    end: ['1 passed, 0 failed, 1 skipped'],
  },
  {
    what: 'no test runs',
    files: [good],
    args: ['none-of-that-name'],
    exitCode: 1,
    end: ['no test ran', '0 passed, 0 failed, 0 skipped'],
  },
  {
    what: 'a promise is lost',
    files: [`${good}void Promise.reject(new Error('lost'));\n`],
    exitCode: 1,
    end: ['Vitest ended with exit code 1: see above', '1 passed, 0 failed, 0 skipped'],
  },
];

it.each(cases)('tells by its exit code and last line that $what', async ({ what, files, ci, args, exitCode, end }) => {
  const root = join(folder, what.replaceAll(' ', '-'));
  mkdirSync(root);
  symlinkSync(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
  for (const [index, text] of files.entries()) writeFileSync(join(root, `${index}.test.ts`), head + text);
  writeFileSync(
    join(root, 'vitest.config.mjs'),
    `export default { root: ${JSON.stringify(root)}, cacheDir: ${JSON.stringify(join(root, 'cache'))} };\n`,
  );
  const run = await runTests(['--config', join(root, 'vitest.config.mjs'), ...(args ?? [])], ci === true);
  expect(run.exitCode, run.lines.join('\n')).toBe(exitCode);
  expect(run.lines.slice(-end.length).map((line) => line.replace(/(?<=: )\S*\/(?=\d\.test\.ts)/, ''))).toEqual(end);
});

interface Run {
  readonly exitCode: number;
  readonly lines: readonly string[];
}

function runTests(args: readonly string[], isCi: boolean): Promise<Run> {
  const env = { ...process.env, NO_COLOR: '1', CI: isCi ? 'true' : '' };
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [join(projectRoot, 'test/support/run-tests.mjs'), ...args],
      { env, timeout: 60_000 },
      (error, stdout) => {
        const exitCode = error === null ? 0 : error.code;
        if (typeof exitCode !== 'number') reject(new Error(`run-tests.mjs ended with ${String(exitCode)}`));
        else resolve({ exitCode, lines: stdout.trimEnd().split('\n') });
      },
    );
  });
}
