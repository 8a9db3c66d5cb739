import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import * as fixture from './binaries-fixture.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** A checkout of a tiny project: the real script, the real compiler and lockfile, two source files. */
async function checkout(): Promise<string> {
  const clone = await fixture.temporaryFolder();
  await mkdir(join(clone, 'test', 'support'), { recursive: true });
  await mkdir(join(clone, 'src', 'base'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'])
    await copyFile(join(root, name), join(clone, name));
  for (const name of ['ready.mjs', 'releases.json'])
    await copyFile(join(root, 'test', 'support', name), join(clone, 'test', 'support', name));
  await copyFile(join(root, 'src', 'base', 'size.ts'), join(clone, 'src', 'base', 'size.ts'));
  await writeFile(join(clone, 'src', 'base', 'old.ts'), 'export const old = 1;\n');
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'));
  return clone;
}

async function ready(clone: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(clone, 'test', 'support', 'ready.mjs'), ...args], {
    env: { PATH: process.env['PATH'], CI: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors] = await Promise.all([
    child.stdout.setEncoding('utf8').toArray(),
    child.stderr.setEncoding('utf8').toArray(),
    once(child, 'close'),
  ]);
  return { output: output.join(''), errors: errors.join(''), code: child.exitCode };
}

it('compiles once, again after a change, and takes removed files away', async () => {
  const clone = await checkout();
  const compiled = { output: 'ready: compiling (tsc -p tsconfig.build.json)\n', errors: '', code: 0 };
  const nothing = { output: '', errors: '', code: 0 };
  expect(await ready(clone)).toEqual(compiled);
  expect(await ready(clone)).toEqual(nothing);
  const base = join(clone, 'dist', 'base');
  expect((await readdir(base)).filter((name) => name.endsWith('.js')).toSorted()).toEqual(['old.js', 'size.js']);
  await rm(join(clone, 'src', 'base', 'old.ts'));
  await writeFile(join(clone, 'src', 'base', 'new.ts'), "export { formatSize } from './size.ts';\n");
  expect(await ready(clone)).toEqual(compiled);
  expect((await readdir(base)).filter((name) => name.endsWith('.js')).toSorted()).toEqual(['new.js', 'size.js']);
  expect(await readFile(join(base, 'new.js'), 'utf8')).toContain("'./size.js'");
  expect(await ready(clone)).toEqual(nothing);
});

it('keeps the compiled code when the sources do not compile, and fails', async () => {
  const clone = await checkout();
  await ready(clone);
  await writeFile(join(clone, 'src', 'base', 'old.ts'), "export const old: number = 'one';\n");
  const { code, output, errors } = await ready(clone);
  expect(code).toBe(1);
  expect(output).toContain('old.ts(1,14)');
  expect(errors).toContain('does not compile');
  expect(await readFile(join(clone, 'dist', 'base', 'old.js'), 'utf8')).toContain('old = 1');
  expect((await readdir(clone)).filter((name) => name.startsWith('.dist'))).toEqual([]);
});

it('can be run twice at once', async () => {
  const clone = await checkout();
  const both = await Promise.all([ready(clone), ready(clone)]);
  expect(both.map(({ code, errors }) => ({ code, errors }))).toEqual([
    { code: 0, errors: '' },
    { code: 0, errors: '' },
  ]);
  expect(await ready(clone)).toEqual({ output: '', errors: '', code: 0 });
});

it('goes on without releases of etcd, but not in CI', async () => {
  const clone = await checkout();
  await ready(clone);
  // Stands for a machine that reaches no source: nothing is fetched, whatever is asked for.
  await writeFile(join(clone, 'test', 'support', 'fetch-binaries.ts'), 'process.exitCode = 1;\n');
  const QUORATE_CACHE = await fixture.temporaryFolder();
  const relaxed = await ready(clone, ['--binaries'], { QUORATE_CACHE });
  expect(relaxed).toEqual({
    output: 'ready: tests on what is missing will be skipped\n',
    errors: '',
    code: 0,
  });
  const strict = await ready(clone, ['--binaries'], { QUORATE_CACHE, CI: 'true' });
  expect(strict.code).toBe(1);
  expect(strict.errors).toContain('in CI all of them are needed');
});
