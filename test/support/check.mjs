/**
 * `npm run check`: everything that can be said about the code without running it. All checks run even when one
 * fails; the summary stands at the end and the exit code is 1 when any failed.
 *
 *     --clean      the work tree must be clean afterwards (with CI set: always)
 *     NAME ...     only the checks of these names
 */
import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const args = process.argv.slice(2);
const mustBeClean = !['', '0', 'false'].includes(process.env.CI ?? '') || args.includes('--clean');
const wanted = args.filter((arg) => !arg.startsWith('--'));

/** The slowest takes seconds; a check that hangs has failed. */
const maxCheckMs = 10 * 60_000;

/** In order: the quick and mechanical first; the clean tree last, because checks could write files. */
const checks = [
  { name: 'format', argv: tool('@biomejs/biome/bin/biome', 'check', '.'), remedy: 'npm run format' },
  { name: 'lint', argv: tool('oxlint/bin/oxlint', '--type-aware', '--deny-warnings') },
  { name: 'types', argv: tool('typescript/bin/tsc', '--noEmit', '-p', 'tsconfig.json') },
  {
    name: 'layering',
    argv: tool('vitest/vitest.mjs', 'run', '--config', 'test/support/vitest.config.ts', 'test/unit/architecture'),
  },
  { name: 'dead-code', argv: tool('knip/bin/knip.js', '--config', 'test/support/knip.json', '--no-progress') },
  {
    name: 'schemas',
    argv: tool('tsx/dist/cli.mjs', 'test/support/generate.ts', '--check'),
    remedy: 'npm run generate',
  },
  { name: 'clean-tree', run: checkCleanTree, remedy: 'commit what changed, or ignore it' },
];

const unknown = wanted.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}; there are ${checks.map((check) => check.name).join(', ')}`);
  process.exit(2);
}

const results = [];
for (const check of checks) {
  if (wanted.length > 0 && !wanted.includes(check.name)) continue;
  const startedAt = performance.now();
  const { code, output, note } = check.run ? await check.run() : await run(check.argv);
  const result = { check, isGood: code === 0, seconds: (performance.now() - startedAt) / 1000, note };
  results.push(result);
  if (!result.isGood) console.log(`--- ${check.name} ---\n${output.trimEnd()}\n`);
}

for (const { check, isGood, seconds, note } of results) {
  const hint = isGood ? note : check.remedy;
  console.log(
    `${isGood ? 'ok  ' : 'FAIL'}  ${check.name.padEnd(10)} ${seconds.toFixed(1).padStart(5)} s${hint ? `  ${hint}` : ''}`,
  );
}
const failures = results.filter((result) => !result.isGood);
console.log(
  failures.length === 0 ? `${results.length} checks passed` : `${failures.length} of ${results.length} checks failed`,
);
process.exitCode = failures.length === 0 ? 0 : 1;

/** Command line of an installed package's own program, run by the Node that runs this. */
function tool(program, ...rest) {
  return [process.execPath, `node_modules/${program}`, ...rest];
}

/** @returns {Promise<{ code: number, output: string, note?: string }>} */
function run([command, ...rest]) {
  return new Promise((resolve) => {
    const child = spawn(command, rest, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: maxCheckMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
      });
    }
    child.once('error', (error) => resolve({ code: 1, output: String(error) }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** Neither changed nor untracked files; a note instead of a failure where work is going on. */
async function checkCleanTree() {
  // A clone may belong to another user than the one who checks it.
  const git = ['git', '-c', 'safe.directory=*', '--no-pager'];
  const status = await run([...git, 'status', '--porcelain']);
  if (status.code !== 0) return mustBeClean ? status : { code: 0, output: '', note: 'not in a Git work tree' };
  if (status.output.trim() === '') return { code: 0, output: '' };
  if (!mustBeClean)
    return { code: 0, output: '', note: `${status.output.trim().split('\n').length} files are not committed` };
  const diff = await run([...git, 'diff', '--exit-code', 'HEAD']);
  return { code: 1, output: `${status.output}\n${diff.output}` };
}
