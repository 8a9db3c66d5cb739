/**
 * `npm test`: every test of the project through Vitest, then one line for people and machines, the last of all:
 *
 *     N passed, N failed, N skipped
 *
 * Arguments go to Vitest: file filters (`npm test -- unit/plan`), `-t NAME`, `--project unit`.
 * The exit code is 1 when a test failed, when Vitest itself failed or when no test ran at all; with CI set a
 * skipped test fails the run too, because nobody reads the log of a green one.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isCi = !['', '0', 'false'].includes(process.env.CI ?? '');
const args = process.argv.slice(2);
/** `-t` hides the other tests by skipping them: those are no skips of ours. */
const isNameFiltered = args.some((arg) => arg === '-t' || arg.startsWith('--testNamePattern'));
const config = args.includes('--config') ? [] : ['--config', 'test/support/vitest.config.ts'];

/** Every test has its own bound; this one is for a runner that hangs between them. */
const maxRunMs = 60 * 60_000;

const folder = mkdtempSync(join(tmpdir(), 'quorate-tests-'));
const reportFile = join(folder, 'report.json');
try {
  const exitCode = await runVitest();
  const { passed, failed, skipped, complaints } = judge(readReport(), exitCode);
  for (const complaint of complaints) console.log(complaint);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = complaints.length > 0 || failed > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @returns {Promise<number>} Vitest's exit code; 1 when a signal ended it. */
function runVitest() {
  const child = spawn(
    process.execPath,
    [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...config,
      '--reporter=default',
      `--reporter=${join(root, 'test/support/skip-reasons.mjs')}`,
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...args,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], timeout: maxRunMs, killSignal: 'SIGKILL' },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** The report, or undefined when Vitest ended before it could write one. */
function readReport() {
  try {
    return JSON.parse(readFileSync(reportFile, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Counts the tests and says, in one line each, why the run is no success. */
function judge(report, exitCode) {
  const complaints = [];
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name })));
  const passed = tests.filter((test) => test.status === 'passed').length;
  const broken = files.filter((file) => isBrokenOutsideTests(file));
  const failed = tests.filter((test) => test.status === 'failed').length + broken.length;
  const skips = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');

  for (const file of broken) complaints.push(`failed outside its tests: ${relative(root, file.name)}`);
  for (const test of skips) {
    if (isNameFiltered) break;
    const reason = test.meta?.skipReason ?? 'no reason given';
    const line = `skipped: ${relative(root, test.file)}: ${test.fullName}: ${reason}`;
    if (isCi) complaints.push(line);
    else console.log(line);
  }
  if (report === undefined) complaints.push('Vitest ended without a report');
  else if (passed + failed === 0) complaints.push('no test ran');
  else if (exitCode !== 0 && failed === 0) complaints.push(`Vitest ended with exit code ${exitCode}: see above`);
  return { passed, failed, skipped: skips.length, complaints };
}

/** A file that cannot be loaded, or whose hook fails, has failed although none of its tests did. */
function isBrokenOutsideTests(file) {
  return file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed');
}
