import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ValidateFunction } from 'ajv';
import { type Diagnostic, formatDiagnostic, hasErrors } from '../base/diagnostics.ts';
import { maxDocumentBytes, type ParsedDocument, parseDocument } from '../base/document.ts';
import { asQuorateError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { type Finding, sortDiagnostics, toDiagnostic } from './finding.ts';
import { validateDocument } from './schema.ts';

export interface ConfigFile<T> {
  /** Absolute path of the file. */
  readonly file: string;
  /** Absolute path of what a relative path in the file means. */
  readonly absolute: (path: string) => string;
  /** With defaults filled in. */
  readonly value: T;
}

/**
 * Reads a configuration file of this program and checks it against its schema and further rules.
 * Rejects with a QuorateError of kind `invalid`: `config-unreadable`, or `config-invalid` with every
 * finding in its summary.
 */
export async function readConfigFile<T>(
  path: string,
  validator: ValidateFunction<T>,
  rules: (value: T) => readonly Finding[],
): Promise<ConfigFile<T>> {
  const file = resolve(path);
  const operation = `read the configuration ${file}`;
  const content = await readBounded(file, operation);
  const { document, diagnostics } = parseDocument(file, content);
  if (document === undefined) throw invalid(operation, diagnostics);
  const checked = check(document, validator, rules);
  if (checked.value === undefined) throw invalid(operation, checked.diagnostics);
  const folder = dirname(file);
  return { file, value: checked.value, absolute: (relative) => resolve(folder, relative) };
}

function check<T>(
  document: ParsedDocument,
  validator: ValidateFunction<T>,
  rules: (value: T) => readonly Finding[],
): { readonly value?: T; readonly diagnostics: readonly Diagnostic[] } {
  const { value, diagnostics } = validateDocument(document, validator);
  if (value === undefined) return { diagnostics };
  const found = rules(value).map((finding) => toDiagnostic(document, finding));
  return hasErrors(found) ? { diagnostics: found } : { value, diagnostics: found };
}

/** At most one byte more than is allowed is read, whatever is behind the path. */
export async function readBounded(file: string, operation: string): Promise<Uint8Array> {
  try {
    const handle = await open(file, 'r');
    try {
      const info = await handle.stat();
      if (!info.isFile()) throw new Error(info.isDirectory() ? 'it is a folder' : 'it is not a regular file');
      const buffer = Buffer.alloc(maxDocumentBytes + 1);
      let length = 0;
      // Ends with the file, or when the buffer is full.
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
        if (bytesRead === 0) return buffer.subarray(0, length);
        length += bytesRead;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT')
      throw new QuorateError({
        code: 'file-not-found',
        kind: 'invalid',
        operation,
        summary: `${file} does not exist`,
        remedy: 'Check the path.',
        cause: error,
      });
    throw asQuorateError(error, { code: 'file-unreadable', kind: 'invalid', operation });
  }
}

function invalid(operation: string, diagnostics: readonly Diagnostic[]): QuorateError {
  const lines = sortDiagnostics(diagnostics).map((diagnostic) => formatDiagnostic(diagnostic));
  return new QuorateError({
    code: 'config-invalid',
    kind: 'invalid',
    operation,
    summary: `the file is not valid\n${lines.join('\n')}`,
    remedy: 'Mend the lines shown above.',
  });
}
