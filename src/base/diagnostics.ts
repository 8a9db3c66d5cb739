/** One finding about something a person wrote. Findings accumulate; all are shown at once. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  /** Stable, kebab-case. */
  readonly code: string;
  /** Constant text: what class of thing is wrong. */
  readonly summary: string;
  /** What was found, what is allowed, and the nearest right thing. */
  readonly detail: string;
  readonly file?: string | undefined;
  /** 1-based. */
  readonly line?: number | undefined;
  /** 1-based. */
  readonly column?: number | undefined;
  /** JSON Pointer into the document. */
  readonly path?: string | undefined;
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error');
}

/** `file:line:column: error: summary (code)` and the detail on the next line, as compilers print it. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const place = [diagnostic.file ?? '<input>', diagnostic.line, diagnostic.column].filter((part) => part !== undefined);
  return `${place.join(':')}: ${diagnostic.severity}: ${diagnostic.summary} [${diagnostic.code}]\n  ${diagnostic.detail.replaceAll('\n', '\n  ')}`;
}
