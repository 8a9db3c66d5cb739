import type { SchemaName } from '../../src/spec/schema.ts';

type Schema = Readonly<Record<string, unknown>>;
interface Section {
  readonly path: string;
  readonly schema: Schema;
}

const parts: readonly { readonly name: SchemaName; readonly title: string }[] = [
  { name: 'etcd-cluster', title: 'Cluster spec' },
  { name: 'controller', title: 'controller.yaml' },
  { name: 'agent', title: 'agents/NAME.yaml' },
];

/** Every field of the files that people write, as Markdown tables made from their schemas. */
export function specReference(read: (name: SchemaName) => object): string {
  const out = [
    '# Reference of the files that people write',
    '',
    'Made from `schemas/` by `npm run generate`; do not edit.',
    'A field without a default and not marked as required may be left out.',
    'Durations are a number and a unit: `ms`, `s`, `m`, `h`, `d`, `w`, `y` (365 days). Sizes: `B`, `KiB`, `MiB`, `GiB`, `TiB`.',
    'Unknown keys are errors.',
  ];
  for (const { name, title } of parts) {
    const root = asSchema(read(name));
    out.push('', `## ${title}`, '', `${text(root['description'])} Schema: \`schemas/${name}.v1.json\`.`);
    const queue: Section[] = [{ path: '', schema: root }];
    // Every section is a mapping of the schema, which is a tree: the walk ends.
    for (let section = queue.shift(); section !== undefined; section = queue.shift()) {
      const { rows, inner } = fieldsOf(root, section);
      const heading = section.path === '' ? 'Top level' : `\`${section.path}\``;
      out.push('', `### ${heading}`, '');
      if (section.path !== '' && 'description' in section.schema) out.push(text(section.schema['description']), '');
      out.push('| Field | Type | Default | Limits | Description |', '| --- | --- | --- | --- | --- |', ...rows);
      queue.unshift(...inner);
    }
  }
  return `${out.join('\n')}\n`;
}

function fieldsOf(root: Schema, section: Section): { rows: string[]; inner: Section[] } {
  const rows: string[] = [];
  const inner: Section[] = [];
  const required = list(section.schema['required']);
  for (const [name, raw] of Object.entries(asSchema(section.schema['properties']))) {
    const field = resolve(root, raw);
    const path = section.path === '' ? name : `${section.path}.${name}`;
    inner.push(...sectionsOf(root, field, path));
    const fallback = required.includes(name)
      ? '**required**'
      : 'default' in field && !isEmptyMapping(field['default'])
        ? code(field['default'])
        : '';
    rows.push(row([`\`${name}\``, typeOf(root, field), fallback, limitsOf(root, field), text(field['description'])]));
  }
  return { rows, inner };
}

/** The mappings inside of a field: itself, the items of a list, the values of a map, the branches of a choice. */
function sectionsOf(root: Schema, field: Schema, path: string): Section[] {
  const candidates: [string, Schema][] = [[path, field]];
  if ('items' in field) candidates.push([`${path}[]`, resolve(root, field['items'])]);
  if (isMapping(field['additionalProperties']))
    candidates.push([`${path}.NAME`, resolve(root, field['additionalProperties'])]);
  for (const branch of list(field['oneOf'])) candidates.push([path, resolve(root, branch)]);
  return candidates.flatMap(([at, schema]) => (isMapping(schema['properties']) ? [{ path: at, schema }] : []));
}

function typeOf(root: Schema, field: Schema): string {
  if ('const' in field) return code(field['const']);
  if ('enum' in field)
    return list(field['enum'])
      .map((value) => code(value))
      .join(', ');
  if (isMapping(field['items'])) return `list of ${typeOf(root, resolve(root, field['items']))}`;
  if (isMapping(field['additionalProperties']))
    return `mapping of ${typeOf(root, resolve(root, field['additionalProperties']))}`;
  if ('oneOf' in field && !('type' in field))
    return list(field['oneOf'])
      .map((branch) => typeOf(root, resolve(root, branch)))
      .join(' or ');
  const pattern = text(field['pattern']);
  if (pattern.includes('(ms|s|m|h|d|w|y)')) return 'duration';
  if (pattern.includes('(B|KiB|MiB|GiB|TiB)')) return 'size';
  const names: Readonly<Record<string, string>> = { object: 'mapping', string: 'text', integer: 'whole number' };
  const types = Array.isArray(field['type']) ? field['type'] : [field['type']];
  return types.map((type) => names[text(type)] ?? text(type)).join(' or ');
}

function limitsOf(root: Schema, field: Schema): string {
  const limits: string[] = [];
  const type = typeOf(root, field);
  for (const key of ['x-range', 'x-ports'])
    if (key in field)
      limits.push(
        `${key === 'x-ports' ? 'port ' : ''}${list(field[key])
          .map((limit) => text(limit))
          .join(' to ')}`,
      );
  const bounds = (low: string, high: string, unit: string): void => {
    if (low in field && high in field) limits.push(`${text(field[low])} to ${text(field[high])}${unit}`);
    else if (low in field) limits.push(`at least ${text(field[low])}${unit}`);
    else if (high in field) limits.push(`at most ${text(field[high])}${unit}`);
  };
  if (field['type'] === 'integer') bounds('minimum', 'maximum', '');
  bounds('minLength', 'maxLength', ' characters');
  bounds('minItems', 'maxItems', ' entries');
  bounds('minProperties', 'maxProperties', ' entries');
  const examples = list(field['examples']);
  if ('$comment' in field) limits.push(text(field['$comment']));
  else if (examples.length > 0) limits.push(`for example ${examples.map((example) => code(example)).join(', ')}`);
  else if ('pattern' in field && type === 'text') limits.push(`matches ${code(field['pattern'])}`);
  return limits.join('; ');
}

/** A field with what its `$ref` stands for; what is written beside the `$ref` wins. */
function resolve(root: Schema, raw: unknown): Schema {
  const field = asSchema(raw);
  const ref = field['$ref'];
  if (typeof ref !== 'string') return field;
  let target: unknown = root;
  for (const segment of ref.split('/').slice(1)) target = asSchema(target)[segment];
  const { $ref: _followed, ...beside } = field;
  // A definition may be a `$ref` itself; schemas have no cycles.
  return { ...resolve(root, target), ...beside };
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function text(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMapping(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asSchema(value: unknown): Schema {
  return isMapping(value) ? value : {};
}

function isEmptyMapping(value: unknown): boolean {
  return isMapping(value) && Object.keys(value).length === 0;
}
