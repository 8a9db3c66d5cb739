import type { Diagnostic } from '../base/diagnostics.ts';
import type { ParsedDocument } from '../base/document.ts';

/** What a check found, before it is known in which line. */
export interface Finding {
  /** `error` unless told otherwise. */
  readonly severity?: 'error' | 'warning';
  readonly code: string;
  readonly summary: string;
  readonly detail: string;
  /** JSON Pointer to what is wrong, or to where the missing thing belongs. */
  readonly pointer: string;
  /** Which side of `key: value` is wrong; the value unless told otherwise. */
  readonly part?: 'key' | 'value';
}

export function toDiagnostic(document: ParsedDocument, finding: Finding): Diagnostic {
  return {
    severity: finding.severity ?? 'error',
    code: finding.code,
    summary: finding.summary,
    detail: finding.detail,
    file: document.file,
    ...document.positionOf(finding.pointer, finding.part),
    path: finding.pointer,
  };
}

/** `/spec/hosts/0/agent` → `spec.hosts[0].agent`. */
export function readablePath(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  const text = parts.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${unescapeSegment(part)}`)).join('');
  return text === '' ? 'the document' : text.replace(/^\./, '');
}

export function escapeSegment(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~');
}

/** By file, line and column: the order in which people mend them. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const order = (a: Diagnostic, b: Diagnostic): number =>
    compare(a.file ?? '', b.file ?? '') ||
    (a.line ?? 0) - (b.line ?? 0) ||
    (a.column ?? 0) - (b.column ?? 0) ||
    compare(a.code, b.code);
  return diagnostics.toSorted(order);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
