import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { readSchema, type SchemaName } from '../../src/spec/schema.ts';
import { specReference } from './spec-reference.ts';

/**
 * Writes everything that is made from `schemas/`: the types of documents and the reference of the files
 * that people write. `--check` writes nothing and exits with 1 when something is not up to date.
 */
const root = fileURLToPath(new URL('../../', import.meta.url));

const typeFiles: Readonly<Record<SchemaName, string>> = {
  'etcd-cluster': 'src/spec/etcd-cluster.generated.ts',
  controller: 'src/controller/config.generated.ts',
  agent: 'src/agent/config.generated.ts',
  plan: 'src/plan/plan.generated.ts',
  status: 'src/report/status.generated.ts',
};

type Schema = Readonly<Record<string, unknown>>;

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The types describe a document that was validated, with defaults filled in: what has a default is
 * always there. What has none may be undefined, as `exactOptionalPropertyTypes` wants it said.
 */
function filled(schema: unknown, isProperty = false): unknown {
  if (Array.isArray(schema)) return schema.map((item) => filled(item));
  if (!isSchema(schema)) return schema;
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' || key === 'definitions') result[key] = mapValues(value, (inner) => filled(inner, true));
    else if (!['default', 'examples', '$comment', 'enum'].includes(key)) result[key] = filled(value);
    else if (key === 'enum') result[key] = value;
  }
  const { properties } = schema;
  if (isSchema(properties)) {
    const required = new Set<unknown>(Array.isArray(schema['required']) ? schema['required'] : []);
    for (const [name, property] of Object.entries(properties))
      if (isSchema(property) && 'default' in property) required.add(name);
    result['required'] = [...required];
    result['properties'] = mapValues(result['properties'], (property, name) =>
      required.has(name) || !isSchema(property)
        ? property
        : { anyOf: [property, { tsType: 'undefined' }], ...note(property) },
    );
  }
  const isAnything = isProperty && Object.keys(schema).every((key) => key === 'description');
  if (isAnything) result['tsType'] = 'unknown';
  // An alternative that only demands a key narrows nothing that a type could say.
  if (
    Array.isArray(schema['oneOf']) &&
    schema['oneOf'].every((branch) => isSchema(branch) && !('type' in branch) && 'required' in branch)
  )
    delete result['oneOf'];
  return result;
}

function note(property: Schema): Schema {
  return 'description' in property ? { description: property['description'] } : {};
}

function mapValues(value: unknown, change: (inner: unknown, key: string) => unknown): unknown {
  if (!isSchema(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner, key)]));
}

/** json-schema-to-typescript cannot write `readonly`; its output is regular enough to add it line by line. */
function makeReadonly(code: string): string {
  const lines = code.split('\n');
  const open: number[] = [];
  let isComment = false;
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim();
    if (trimmed.startsWith('/*')) isComment = true;
    if (!isComment) {
      if (/^\}.*\[\]/.test(trimmed)) {
        const start = open.at(-1) ?? index;
        lines[start] = (lines[start] ?? '').replace(/: \{$/, ': readonly {');
      }
      if (trimmed.startsWith('}')) open.pop();
      if (trimmed.endsWith('{')) open.push(index);
      lines[index] = (lines[index] ?? '')
        .replace(/^(\s+)((?:\w+|"[^"]+"|\[k: string\])\??:(?: |$))/, '$1readonly $2')
        .replace(/(: |^export type \w+ = )((?:\w+|\([^()]*\))\[\])/, '$1readonly $2');
    }
    if (trimmed.endsWith('*/')) isComment = false;
  }
  return lines.join('\n');
}

/** The project's formatter passes over generated files, so the code is handed in under a name that it takes. */
function format(path: string, code: string): string {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [`${root}node_modules/@biomejs/biome/bin/biome`, 'format', `--stdin-file-path=${path.replace('.generated', '')}`],
    { cwd: root, input: code, encoding: 'utf8', timeout: 60_000 },
  );
  if (status !== 0) throw new Error(`biome could not format ${path}: ${stderr}`);
  return stdout;
}

async function typesOf(name: SchemaName, path: string): Promise<string> {
  const schema = filled(readSchema(name));
  if (!isSchema(schema)) throw new Error(`schemas/${name}.v1.json is not an object`);
  const code = await compile(schema, name, {
    bannerComment: `// Generated from schemas/${name}.v1.json by npm run generate. Do not edit.`,
    ignoreMinAndMaxItems: true,
    unknownAny: true,
    format: true,
    strictIndexSignatures: false,
  });
  return format(path, makeReadonly(code));
}

async function main(): Promise<number> {
  const isCheck = process.argv.includes('--check');
  const files = new Map<string, string>();
  for (const [name, path] of Object.entries(typeFiles)) files.set(path, await typesOf(name as SchemaName, path));
  files.set('docs/spec-reference.md', specReference(readSchema));
  const stale = [...files].filter(([path, content]) => {
    const full = `${root}${path}`;
    return !existsSync(full) || readFileSync(full, 'utf8') !== content;
  });
  for (const [path, content] of stale) {
    if (!isCheck) writeFileSync(`${root}${path}`, content);
    process.stdout.write(`${path}: ${isCheck ? 'is not up to date; run npm run generate' : 'written'}\n`);
  }
  return isCheck && stale.length > 0 ? 1 : 0;
}

process.exitCode = await main();
