import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from './source-tree.ts';

const work = 'async function work(): Promise<number> { await null; return 1; }\n';

/** For every rule that .oxlintrc.json names: code that breaks it. A rule that stays silent is a rule that is off. */
const broken: Readonly<Record<string, string>> = {
  'no-floating-promises': `${work}export function f(): void { void work(); }`,
  'await-thenable': 'export async function f(n: number): Promise<void> { await n; }',
  'no-misused-promises': `${work}export function f(): number { if (work()) return 1; return 2; }`,
  'return-await': `${work}export async function f(): Promise<number> { try { return work(); } catch { return 0; } }`,
  'prefer-promise-reject-errors': "export const f = (): Promise<never> => Promise.reject('text');",
  'only-throw-error': "export function f(): never { throw 'text'; }",
  'use-unknown-in-catch-callback-variable': `${work}export const f = work().catch((e) => String(e.code));`,
  'no-promise-executor-return': 'export const f = new Promise((resolve) => setTimeout(resolve, 1));',
  'no-multiple-resolved': 'export const f = new Promise<void>((resolve) => { resolve(); resolve(); });',
  'no-explicit-any': 'export type T = any;',
  'no-non-null-assertion': 'export const f = (xs: string[]): string => xs[0]!;',
  'no-unsafe-argument': 'declare function take(a: string): void;\nexport const f = (x: any): void => take(x);',
  'no-unsafe-assignment': "export const value: string = JSON.parse('1');",
  'no-unsafe-call': 'export function f(x: any): void { x(); }',
  'no-unsafe-member-access': 'export const f = (x: any): unknown => x.length;',
  'no-unsafe-return': 'export const f = (): string => JSON.parse("1");',
  'no-unsafe-function-type': 'export type F = Function;',
  'no-unnecessary-type-assertion': 'export const f = (s: string): string => s as string;',
  'no-empty-object-type': 'export type T = {};',
  'ban-ts-comment': '// @ts-ignore\nexport const n: number = 1;',
  'switch-exhaustiveness-check': "export function f(k: 'a' | 'b'): void { switch (k) { case 'a': f(k); } }",
  'no-deprecated': 'export const f = new Buffer(1);',
  'no-base-to-string': 'export const f = (o: { a: 1 }): string => String(o);',
  'restrict-template-expressions': 'export const f = (o: { a: 1 } | undefined): string => `$' + '{o}`;',
  'consistent-type-imports': "import { Stats } from 'node:fs';\nexport type T = Stats;",
  'consistent-type-exports': "import type { Stats } from 'node:fs';\nexport { Stats };",
  'no-import-type-side-effects': "import { type Stats } from 'node:fs';\nexport type T = Stats;",
  'no-require-imports': "export const f = require('node:fs');",
  'no-default-export': 'export default function f(): void {}',
  'no-mutable-exports': 'export let n = 1;\nexport function f(): void { n = 2; }',
  'no-duplicates': "import { join } from 'node:path';\nimport { dirname } from 'node:path';\nexport { join, dirname };",
  'no-cycle': "import { a } from './cycle-partner.ts';\nexport const b = (): number => a();",
  'no-commonjs': 'module.exports = 1;',
  eqeqeq: 'export const f = (a: number, b: number): boolean => a == b;',
  'no-var': 'export function f(): number { var a = 1; return a; }',
  'prefer-const': 'export function f(): number { let a = 1; return a; }',
  'no-empty': 'export function f(a: boolean): void { if (a) {} }',
  'no-param-reassign': 'export function f(a: number): number { a = 2; return a; }',
  'no-shadow': 'const a = 1;\nexport const f = (a: number): number => a;\nexport { a };',
  'no-self-compare': 'export const f = (a: number): boolean => a === a;',
  'no-eval': 'export function f(s: string): void { eval(s); }',
  'no-new-func': 'export const f = (s: string): unknown => new Function(s);',
  'no-template-curly-in-string': "export const s = 'a $" + "{b}';",
  'no-fallthrough': 'export function f(n: number): void { switch (n) { case 1: f(2); case 2: f(3); break; default: } }',
  'prefer-node-protocol': "export { join } from 'path';",
  'no-useless-promise-resolve-reject': 'export async function f(): Promise<number> { return Promise.resolve(1); }',
  'error-message': 'export function f(): never { throw new Error(); }',
  'throw-new-error': "export function f(): never { throw Error('a'); }",
  'max-lines': `export const a = 1;\n${'export {};\n'.repeat(301)}`,
  'max-params': 'export const f = (a: 1, b: 1, c: 1, d: 1, e: 1, g: 1, h: 1): number => a + b + c + d + e + g + h;',
  'no-console': "console.log('a');",
  'no-focused-tests': "import { it } from 'vitest';\nit.only('a', () => {});",
  'no-identical-title': "import { it } from 'vitest';\nit('a', () => {});\nit('a', () => {});",
  'valid-expect': "import { expect } from 'vitest';\nexport const f = (): void => { expect(1); };",
  'no-standalone-expect': "import { expect } from 'vitest';\nexpect(1).toBe(1);",
  'valid-expect-in-promise':
    "import { expect, it } from 'vitest';\nit('a', () => { Promise.resolve(1).then((v) => { expect(v).toBe(1); }); });",
};

const sound = "import type { Stats } from 'node:fs';\nexport const sizeOf = (stats: Stats): number => stats.size;\n";
const partner = "import { b } from './no-cycle.ts';\nexport const a = (): number => b();\n";

const folder = mkdtempSync(join(tmpdir(), 'quorate-lint-'));
const found = new Map<string, Set<string>>();

/** Code about tests is looked at as a test. */
const pathOf = (rule: string): string =>
  broken[rule]?.includes("from 'vitest'") === true ? `test/${rule}.test.ts` : `src/apply/${rule}.ts`;

beforeAll(async () => {
  for (const name of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) {
    copyFileSync(join(projectRoot, name), join(folder, name));
  }
  symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  write('src/apply/sound.ts', sound);
  write('src/apply/cycle-partner.ts', partner);
  for (const [rule, text] of Object.entries(broken)) write(pathOf(rule), text);
  const { diagnostics } = await lint();
  for (const { code = '', filename } of diagnostics) {
    const file = basename(filename).replace(/(?:\.test)?\.ts$/, '');
    const rules = found.get(file) ?? new Set();
    found.set(file, rules.add(code.replace(/^.*\((.*)\)$/, '$1')));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each(Object.keys(broken))('finds code that breaks %s', (rule) => {
  expect([...(found.get(rule) ?? [])]).toContain(rule);
});

it('finds nothing in sound code', () => {
  expect(found.get('sound')).toBeUndefined();
});

it('has broken code for every rule that is on', () => {
  const config = readFileSync(join(projectRoot, '.oxlintrc.json'), 'utf8');
  const named = [...config.matchAll(/^\s+"(?:[a-z]+)\/([a-z-]+)": (?!"off")/gm)].map((match) => match[1] ?? '');
  expect([...new Set(named)].sort()).toEqual(Object.keys(broken).sort());
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), `${text}\n`);
}

interface LintReport {
  readonly diagnostics: readonly { readonly code?: string; readonly filename: string }[];
}

/** The exit code is 1 when something was found, which it must be here. */
async function lint(): Promise<LintReport> {
  const program = join(projectRoot, 'node_modules/oxlint/bin/oxlint');
  const args = [program, '--type-aware', '--format', 'json', 'src', 'test'];
  const text = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { cwd: folder, timeout: 60_000, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      if (error?.code === 1) resolve(stdout);
      else reject(new Error(`oxlint ended with ${String(error?.code ?? 0)}: ${stderr}`));
    });
  });
  return JSON.parse(text) as LintReport;
}
