import type { Diagnostic } from '../../../src/base/diagnostics.ts';
import { type LoadedSpecs, loadSpecs } from '../../../src/spec/load.ts';

/** Loads texts as files named a.yaml, b.yaml, … */
export function load(...texts: readonly (string | Uint8Array)[]): LoadedSpecs {
  return loadSpecs(texts.map((content, index) => ({ path: `${'abcdef'[index]}.yaml`, content })));
}

/** `code@line:column`, with the severity when it is a warning. */
export function brief(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(
    ({ severity, code, line, column }) => `${severity === 'warning' ? 'warning ' : ''}${code}@${line}:${column}`,
  );
}
