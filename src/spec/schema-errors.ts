import type { ErrorObject } from 'ajv';
import { nearestName } from '../base/nearest.ts';
import { redact } from '../base/redact.ts';
import { escapeSegment, type Finding, readablePath } from './finding.ts';

const summaries = {
  'unknown-key': 'Unknown key',
  'missing-key': 'A key is missing',
  'wrong-type': 'Wrong kind of value',
  'not-allowed': 'This value is not allowed',
  'wrong-form': 'The value does not have the right form',
  'out-of-range': 'The value is outside of its limits',
  'duplicate-item': 'The same value stands twice in a list',
  'wrong-key-name': 'This key does not have the right form',
  'one-of': 'Exactly one of several keys is needed',
} as const;
type Code = keyof typeof summaries;

export interface Explanation {
  readonly findings: readonly Finding[];
  /** JSON Pointers to the parts whose shape is wrong: an unknown key takes nothing away, a missing one does. */
  readonly misshapen: readonly string[];
}

/** Turns ajv's errors (made with `allErrors` and `verbose`) into findings for people, one for each mistake. */
export function explainErrors(errors: readonly ErrorObject[]): Explanation {
  const findings = withoutRepeats(collapseAlternatives(errors)).map((error) => explain(error));
  // `memebers: 3` is one mistake: the unknown key explains the missing one.
  const meant = new Set(
    findings.flatMap(({ finding, nearest }) => (nearest === undefined ? [] : [siblingOf(finding.pointer, nearest)])),
  );
  const all = findings.map(({ finding }) => finding);
  return {
    findings: all.filter((finding) => finding.code !== 'missing-key' || !meant.has(finding.pointer)),
    misshapen: all.filter(({ code }) => code !== 'unknown-key').map(({ pointer }) => pointer),
  };
}

/** A value of the wrong kind is not among the allowed ones either; the list of those says more. */
function withoutRepeats(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const listed = new Set(
    errors.filter(({ keyword }) => keyword === 'enum' || keyword === 'const').map(({ instancePath }) => instancePath),
  );
  return errors.filter(({ keyword, instancePath }) => keyword !== 'type' || !listed.has(instancePath));
}

/**
 * A value that fits no branch of `oneOf` gives the errors of all branches. Kept are those of the branch
 * that was meant, when that can be told by the kind of value, else one error for the whole.
 */
function collapseAlternatives(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  const dropped = new Set<ErrorObject>();
  for (const choice of errors.filter((error) => error.keyword === 'oneOf')) {
    const branchOf = (error: ErrorObject): number | undefined => {
      if (error === choice || !error.instancePath.startsWith(choice.instancePath)) return undefined;
      if (!error.schemaPath.startsWith(`${choice.schemaPath}/`)) return undefined;
      return Number.parseInt(error.schemaPath.slice(choice.schemaPath.length + 1), 10);
    };
    const isMapping = typeOf(choice.data) === 'a mapping';
    const meant = branchesOf(choice).findIndex((branch) => isMapping && branch['type'] === 'object');
    for (const error of errors) {
      const branch = branchOf(error);
      if (branch !== undefined && branch !== meant) dropped.add(error);
    }
    if (errors.some((error) => meant >= 0 && branchOf(error) === meant)) dropped.add(choice);
  }
  // ajv says both what is wrong with a key and that it is a key; the second names the key.
  return errors.filter((error) => !dropped.has(error) && error.propertyName === undefined);
}

interface Explained {
  readonly finding: Finding;
  /** The key that an unknown key most likely means. */
  readonly nearest?: string | undefined;
}

function explain(error: ErrorObject): Explained {
  const at = error.instancePath;
  const found = `Found ${show(error.data)}`;
  const value = (code: Code, detail: string): Explained => ({ finding: make(code, at, 'value', detail) });
  switch (error.keyword) {
    case 'additionalProperties':
      return unknownKey(error, text(error.params['additionalProperty']));
    case 'required': {
      const missing = text(error.params['missingProperty']);
      const pointer = `${at}/${escapeSegment(missing)}`;
      return { finding: make('missing-key', pointer, 'key', `${placeOf(at)} needs the key ${quote(missing)}.`) };
    }
    case 'type':
      return value('wrong-type', `${found}; needed is ${typeNames(error.schema)}.${typeHint(error)}`);
    case 'const':
      return value('not-allowed', `${found}; it must be ${show(error.schema)}.`);
    case 'enum':
      return value('not-allowed', `${found}; allowed: ${listOf(error.schema)}.${enumHint(error)}`);
    case 'pattern':
      return value('wrong-form', `${found}; ${shapeOf(error)}.`);
    case 'propertyNames':
      return keyName(error, text(error.params['propertyName']));
    case 'x-range':
      return value('out-of-range', `${found}; allowed: ${listOf(error.schema, ' to ')}.`);
    case 'x-ports':
      return value('out-of-range', `${found}; allowed are ports ${listOf(error.schema, ' to ')}.`);
    case 'uniqueItems':
      return {
        finding: make(
          'duplicate-item',
          `${at}/${String(error.params['i'])}`,
          'value',
          `It stands at ${readablePath(`${at}/${String(error.params['j'])}`)} and again here.`,
        ),
      };
    case 'oneOf':
      return alternatives(error);
    default:
      return value(
        limits[error.keyword] === undefined ? 'wrong-form' : 'out-of-range',
        `${found}; ${limitText(error)}.`,
      );
  }
}

/** A key in the file cannot stand twice, so a key that is unknown is wrong by its name alone. */
function unknownKey(error: ErrorObject, key: string): Explained {
  const allowed = Object.keys(properties(error.parentSchema));
  const nearest = nearestName(key, allowed);
  const hint = nearest === undefined ? `allowed: ${allowed.join(', ')}` : `did you mean ${quote(nearest)}?`;
  const pointer = `${error.instancePath}/${escapeSegment(key)}`;
  const detail = `${quote(key)} is not a key of ${readablePath(error.instancePath)}; ${hint}${hint.endsWith('?') ? '' : '.'}`;
  return { finding: make('unknown-key', pointer, 'key', detail), nearest };
}

function keyName(error: ErrorObject, key: string): Explained {
  const form = fieldOf(error.schema, '$comment') ?? fieldOf(error.schema, 'pattern');
  const hint = key.startsWith('-') ? ' Write it without the leading dashes.' : '';
  const detail = `${quote(key)} is not of the form: ${text(form)}.${hint}`;
  return { finding: make('wrong-key-name', `${error.instancePath}/${escapeSegment(key)}`, 'key', detail) };
}

function alternatives(error: ErrorObject): Explained {
  const branches = branchesOf(error);
  const names = branches.map((branch) => describeBranch(branch));
  if (branches.every((branch) => branch['type'] === undefined && Array.isArray(branch['required']))) {
    const seen = Array.isArray(error.params['passingSchemas']) ? 'more than one' : 'none';
    const detail = `Found ${seen} of them; ${placeOf(error.instancePath)} needs exactly one of: ${names.join(', ')}.`;
    return { finding: make('one-of', error.instancePath, 'key', detail) };
  }
  const detail = `Found ${show(error.data)}; allowed: ${names.join(', or ')}.`;
  return { finding: make('not-allowed', error.instancePath, 'value', detail) };
}

function describeBranch(branch: Readonly<Record<string, unknown>>): string {
  if ('const' in branch) return show(branch['const']);
  const required = Array.isArray(branch['required']) ? branch['required'].map((key) => text(key)).join(', ') : '';
  if (branch['type'] === undefined) return required;
  return `${typeNames(branch['type'])}${required === '' ? '' : ` with the key ${required}`}`;
}

const limits: Readonly<Record<string, (limit: string) => string>> = {
  minimum: (limit) => `the least is ${limit}`,
  maximum: (limit) => `the most is ${limit}`,
  minItems: (limit) => `at least ${limit} needed in this list`,
  maxItems: (limit) => `at most ${limit} allowed in this list`,
  minLength: (limit) => `at least ${limit} characters are needed`,
  maxLength: (limit) => `at most ${limit} characters are allowed`,
  minProperties: (limit) => `at least ${limit} key is needed`,
  maxProperties: (limit) => `at most ${limit} keys are allowed`,
};

function limitText(error: ErrorObject): string {
  return limits[error.keyword]?.(show(error.schema)) ?? error.message ?? error.keyword;
}

function shapeOf(error: ErrorObject): string {
  const words = fieldOf(error.parentSchema, '$comment');
  if (words !== undefined) return `allowed: ${text(words)}`;
  const examples = fieldOf(error.parentSchema, 'examples');
  if (Array.isArray(examples)) return `it must look like ${examples.map((example) => text(example)).join(' or ')}`;
  return `it must match ${text(error.schema)}`;
}

function typeHint(error: ErrorObject): string {
  const wantsText = error.schema === 'string';
  if (!wantsText || (typeof error.data !== 'number' && typeof error.data !== 'boolean')) return '';
  const examples = fieldOf(error.parentSchema, 'examples');
  const example = Array.isArray(examples) ? `, for example ${text(examples[0])}` : '';
  return ` YAML reads it as a ${typeof error.data}; put it in quotes, or write it in full${example}.`;
}

function enumHint(error: ErrorObject): string {
  if (typeof error.data !== 'string' || !Array.isArray(error.schema)) return '';
  const nearest = nearestName(
    error.data,
    error.schema.filter((item): item is string => typeof item === 'string'),
  );
  return nearest === undefined ? '' : ` Did you mean ${quote(nearest)}?`;
}

function make(code: Code, pointer: string, part: 'key' | 'value', detail: string): Finding {
  return { code, summary: summaries[code], detail, pointer, part };
}

function siblingOf(pointer: string, name: string): string {
  return `${pointer.slice(0, pointer.lastIndexOf('/'))}/${escapeSegment(name)}`;
}

function placeOf(pointer: string): string {
  const path = readablePath(pointer);
  return path === 'the document' ? 'The document' : path;
}

function branchesOf(error: ErrorObject): readonly Readonly<Record<string, unknown>>[] {
  const branches: unknown = error.schema;
  return Array.isArray(branches) ? branches.filter((branch) => isRecord(branch)) : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function properties(schema: unknown): object {
  const found = fieldOf(schema, 'properties');
  return typeof found === 'object' && found !== null ? found : {};
}

function fieldOf(schema: unknown, name: string): unknown {
  return typeof schema === 'object' && schema !== null
    ? Object.entries(schema).find(([key]) => key === name)?.[1]
    : undefined;
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  null: 'nothing',
};

function typeNames(types: unknown): string {
  const names = Array.isArray(types) ? types : [types];
  return names.map((name) => typeWords[text(name)] ?? text(name)).join(' or ');
}

function typeOf(value: unknown): string {
  if (value === null) return 'nothing';
  return typeWords[Array.isArray(value) ? 'array' : typeof value] ?? typeof value;
}

function listOf(values: unknown, separator = ', '): string {
  return Array.isArray(values) ? values.map((value) => text(value)).join(separator) : '';
}

/** What was found, short: the value itself when it is a scalar, else its kind. */
function show(value: unknown): string {
  if (value === null || typeof value === 'object') return typeOf(value);
  return typeof value === 'string' ? quote(redact(value)) : JSON.stringify(value);
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : String(value);
}
