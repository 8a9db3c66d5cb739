import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import formats from 'ajv-formats';
import type { Diagnostic } from '../base/diagnostics.ts';
import { maxFindings, type ParsedDocument } from '../base/document.ts';
import { parseDuration } from '../base/duration.ts';
import { parseSize } from '../base/size.ts';
import { toDiagnostic } from './finding.ts';
import { explainErrors } from './schema-errors.ts';

/** Files in `schemas/`, without `.v1.json`. */
export type SchemaName = 'etcd-cluster' | 'controller' | 'agent' | 'plan' | 'status';

/**
 * Compiles a schema of the package's `schemas/` folder. The validator fills defaults into the value
 * that it checks. `T` is the type generated from the same schema, which its freshness check ties to it.
 */
export function compileSchema<T>(name: SchemaName): ValidateFunction<T> {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    // `oneOf: [{required: [a]}, {required: [b]}]` names properties that are defined one level up.
    strictRequired: false,
    allowUnionTypes: true,
    useDefaults: true,
    verbose: true,
  });
  formats.default(ajv);
  // Limits of durations and sizes, which JSON Schema cannot express: ["1h", "3y"], ["1MiB", "1TiB"].
  ajv.addKeyword({ keyword: 'x-range', type: 'string', schemaType: 'array', compile: isWithin });
  // Limits of the port of a host:port text.
  ajv.addKeyword({ keyword: 'x-ports', type: 'string', schemaType: 'array', compile: hasPortWithin });
  return ajv.compile<T>(readSchema(name));
}

/** `schemas/` is beside `src/` and beside `dist/`, and this file is in a folder of either. */
export function readSchema(name: SchemaName): object {
  const text = readFileSync(new URL(`../../schemas/${name}.v1.json`, import.meta.url), 'utf8');
  const schema: unknown = JSON.parse(text);
  return typeof schema === 'object' && schema !== null ? schema : {};
}

export interface Validated<T> {
  /** The value with defaults filled in; missing when it does not satisfy the schema. */
  readonly value?: T;
  readonly diagnostics: readonly Diagnostic[];
  /** JSON Pointers to the parts whose shape is wrong: their values may be anything. */
  readonly misshapen: readonly string[];
}

/** Checks a document against a schema: every finding at once, with its position. */
export function validateDocument<T>(document: ParsedDocument, validator: ValidateFunction<T>): Validated<T> {
  const { value } = document;
  if (validator(value)) return { value, diagnostics: [], misshapen: [] };
  // Bounded before anything is explained, so that a file of unknown keys costs no more than a hundred.
  const errors: readonly ErrorObject[] = validator.errors ?? [];
  const limit = maxFindings * 5;
  const { findings, misshapen } = explainErrors(errors.slice(0, limit));
  return {
    diagnostics: findings.slice(0, maxFindings).map((finding) => toDiagnostic(document, finding)),
    // What was cut off may be anywhere.
    misshapen: errors.length > limit ? [''] : misshapen,
  };
}

function isWithin(range: readonly string[]): (text: string) => boolean {
  const [low, high] = [measure(range[0] ?? ''), measure(range[1] ?? '')];
  if (low === undefined || high === undefined) throw new Error(`x-range needs two durations or two sizes`);
  return (text) => {
    const value = measure(text);
    // What is neither a duration nor a size is the pattern's finding.
    return value === undefined || (value >= low && value <= high);
  };
}

function measure(text: string): number | undefined {
  return parseDuration(text) ?? parseSize(text);
}

function hasPortWithin(range: readonly number[]): (text: string) => boolean {
  const [low, high] = [range[0] ?? 0, range[1] ?? 65_535];
  return (text) => {
    const port = /:([0-9]{1,5})$/.exec(text)?.[1];
    return port === undefined || (Number(port) >= low && Number(port) <= high);
  };
}
