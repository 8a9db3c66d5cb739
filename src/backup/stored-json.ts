import { Ajv, type ValidateFunction } from 'ajv';
import { QuorateError } from '../base/errors.ts';

const ajv = new Ajv({ allErrors: false, strict: true, allowUnionTypes: true });

export interface StoredKind<T> {
  /** Compiled at its first use, so that a command which never reads the store does not wait for it. */
  readonly validate: () => ValidateFunction<T>;
  /** For messages: `the record`. */
  readonly what: string;
  /** Code of the error for content that does not fit. */
  readonly code: string;
  readonly remedy: string;
}

/** The caller sees to it that the schema describes T; a test writes and reads a full value of each kind. */
export function storedKind<T>(schema: object, fields: Omit<StoredKind<T>, 'validate'>): StoredKind<T> {
  let compiled: ValidateFunction<T> | undefined;
  return {
    ...fields,
    validate: () => {
      compiled ??= ajv.compile<T>(schema);
      return compiled;
    },
  };
}

/** Text of a stored object → value. What does not fit is an error with the kind's code, never "nothing". */
export function parseStored<T>(kind: StoredKind<T>, key: string, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unfit(kind, key, `is not JSON (${error instanceof Error ? error.message : 'unreadable'})`, error);
  }
  const validate = kind.validate();
  if (validate(value)) return value;
  const first = validate.errors?.[0];
  const seen =
    first === undefined ? 'has another shape' : `${first.instancePath || 'the whole'} ${first.message ?? 'is wrong'}`;
  throw unfit(kind, key, `does not have the known shape: ${seen}`);
}

/** Two-space indent and a final newline, for people who look into the store. */
export function renderStored(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function unfit(kind: StoredKind<unknown>, key: string, seen: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: kind.code,
    kind: 'stalled',
    operation: `read ${kind.what} (${key})`,
    summary: `it ${seen}`,
    remedy: kind.remedy,
    cause,
  });
}
