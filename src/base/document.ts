import { isUtf8 } from 'node:buffer';
import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  type Pair,
  Parser,
  visit,
  type Document as YamlDocument,
} from 'yaml';
import type { Diagnostic } from './diagnostics.ts';
import { describeError } from './errors.ts';

/** 1-based, as editors count. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One YAML document as a plain value, which remembers where everything was written. */
export interface ParsedDocument {
  readonly file: string;
  readonly value: unknown;
  /**
   * Where the key or the value at a JSON Pointer stands. A pointer to something that was not written
   * leads to the nearest written thing around it.
   */
  positionOf(pointer: string, part?: 'key' | 'value'): Position;
}

export interface ParsedFile {
  /** Missing when the file was refused. */
  readonly document?: ParsedDocument;
  readonly diagnostics: readonly Diagnostic[];
  /** What could be read of a refused file; for its name at best, never to act on. */
  readonly salvaged?: unknown;
}

/** A file that people write is a few KiB; 256 KiB leaves room and bounds what a hostile one can cost. */
export const maxDocumentBytes = 256 * 1024;
/** Findings shown for one file; a file with more has one cause, which the first of them show. */
export const maxFindings = 100;
/** Times that anchors may be used in a file, counted with what they stand for. */
const maxAliases = 100;
/** What people write has fewer and shorter lines; a file made of one construct costs the parser seconds beyond them. */
const maxLines = 10_000;
const maxLineLength = 8192;
/** Mappings and lists inside of each other; the deepest place of any file of ours is 8. */
const maxDepth = 64;

const summaries = {
  'document-too-large': 'The file is too large',
  'not-utf8': 'The file is not UTF-8 text',
  'empty-document': 'The file is empty',
  'several-documents': 'More than one document in a file',
  'yaml-syntax': 'The file is not valid YAML',
  'duplicate-key': 'The same key is written twice',
  'unknown-tag': 'Tags are not allowed',
  'unknown-alias': 'An alias leads nowhere',
  'too-many-aliases': 'Too many aliases',
  'alias-in-anchor': 'An alias inside of an anchor',
  'too-deeply-nested': 'Too deeply nested',
} as const;
type Code = keyof typeof summaries;
type Report = (code: Code, offset: number, detail: string) => void;

/** Reads exactly one YAML document. Never throws: whatever is wrong with the content becomes a diagnostic. */
export function parseDocument(file: string, content: Uint8Array | string): ParsedFile {
  const diagnostics: Diagnostic[] = [];
  const reportAt = (code: Code, position: Position, detail: string): void => {
    if (diagnostics.length < maxFindings)
      diagnostics.push({ severity: 'error', code, summary: summaries[code], detail, file, ...position });
  };
  const start = { line: 1, column: 1 };

  const sizeBytes = typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength;
  if (sizeBytes > maxDocumentBytes) {
    reportAt(
      'document-too-large',
      start,
      `Found more than ${maxDocumentBytes} bytes (256 KiB), which is the most that is read.`,
    );
    return { diagnostics };
  }
  if (typeof content !== 'string' && !isUtf8(content)) {
    reportAt('not-utf8', firstInvalidByte(content), 'A byte here is not UTF-8. Save the file as UTF-8.');
    return { diagnostics };
  }
  const text = (typeof content === 'string' ? content : new TextDecoder().decode(content)).replace(/^\uFEFF/, '');
  const excess = excessOf(text);
  if (excess !== undefined) {
    reportAt('document-too-large', { line: excess.line, column: 1 }, excess.detail);
    return { diagnostics };
  }

  // The parser's own line counter loses lines after an unfinished quotation.
  const lines = lineStarts(text);
  const report: Report = (code, offset, detail) => reportAt(code, place(lines, offset), detail);
  try {
    const documents = readDocuments(text);
    if ('tooDeepAt' in documents) {
      const detail = `More than ${maxDepth} mappings and lists are open inside of each other here.`;
      report('too-deeply-nested', Math.min(documents.tooDeepAt, text.length), detail);
      return { diagnostics };
    }
    const [first, second] = documents;
    const isBlank = first === undefined || first.contents === null || emptyScalar(first.contents);
    if (isBlank && second === undefined && (first?.errors.length ?? 0) === 0) {
      reportAt('empty-document', start, 'Nothing is written in it. Write the document, or delete the file.');
      return { diagnostics };
    }
    if (first === undefined) return { diagnostics };
    for (const document of documents) checkSyntax(document, report);
    if (second !== undefined)
      report('several-documents', second.range[0], 'A second document starts here. Put it into a file of its own.');
    if (!checkStructure(first, report)) return { diagnostics };
    const value: unknown = first.toJS({ maxAliasCount: maxAliases });
    if (diagnostics.length > 0) return { diagnostics, salvaged: value };
    const positionOf: ParsedDocument['positionOf'] = (pointer, part = 'value') =>
      place(lines, offsetOf(first, pointer, part));
    return { document: { file, value, positionOf }, diagnostics };
  } catch (error) {
    // Nothing is known to lead here; a file that does is refused rather than trusted.
    reportAt('yaml-syntax', start, `The YAML parser gave up: ${describeError(error)}.`);
    return { diagnostics };
  }
}

/** What there is too much of in a text that is short enough as a whole, with the line that shows it. */
function excessOf(text: string): { readonly line: number; readonly detail: string } | undefined {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.length > maxLines)
    return { line: maxLines + 1, detail: `Found ${lines.length} lines; at most ${maxLines} are read.` };
  const long = lines.findIndex((line) => line.length > maxLineLength);
  if (long >= 0) return { line: long + 1, detail: `A line is longer than ${maxLineLength} characters.` };
  return undefined;
}

/**
 * Reads the text piece by piece and gives up before the parser holds more open mappings and lists than
 * allowed. What comes after recurses over them, and a stack that is used up there can end the process.
 * Gives the offset at which it gave up.
 */
function readDocuments(text: string): readonly YamlDocument.Parsed[] | { readonly tooDeepAt: number } {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > maxDepth) return { tooDeepAt: parser.offset - lexeme.length };
  }
  tokens.push(...parser.end());
  const composer = new Composer({
    schema: 'core',
    resolveKnownTags: false,
    stringKeys: true,
    // The parser's own check compares every pair of keys: half a minute for a file full of keys.
    uniqueKeys: false,
    logLevel: 'error',
  });
  return [...composer.compose(tokens)].filter(
    (document): document is YamlDocument.Parsed => document.contents !== undefined,
  );
}

function checkSyntax(document: YamlDocument.Parsed, report: Report): void {
  for (const error of document.errors) {
    const code = error.code === 'RESOURCE_EXHAUSTION' ? 'too-deeply-nested' : 'yaml-syntax';
    report(code, error.pos[0], `${error.message}.`.replace(/\.\.$/, '.'));
  }
  for (const warning of document.warnings)
    report(
      warning.code === 'TAG_RESOLVE_FAILED' ? 'unknown-tag' : 'yaml-syntax',
      warning.pos[0],
      `${warning.message}. Write plain values.`,
    );
}

/**
 * Duplicate keys, and aliases that lead nowhere or are too many. An alias inside of an anchor is refused
 * altogether: that is how a short text expands without end, or to a depth that ends the process.
 * True when the document can be expanded.
 */
function checkStructure(document: YamlDocument.Parsed, report: Report): boolean {
  let aliases = 0;
  let isNested = false;
  let isDangling = false;
  visit(document, {
    Map: (_key, map) => {
      const seen = new Map<string, number>();
      for (const pair of map.items) {
        const name = keyText(pair);
        const offset = rangeStart(pair.key);
        const earlier = seen.get(name);
        if (earlier === undefined) seen.set(name, offset);
        else report('duplicate-key', offset, `${JSON.stringify(name.slice(0, 100))} is already a key of this mapping.`);
      }
    },
    Alias: (_key, alias, path) => {
      const offset = rangeStart(alias);
      aliases += 1;
      if (aliases === maxAliases + 1)
        report('too-many-aliases', offset, `At most ${maxAliases} aliases are read. Write the values out.`);
      // Looking up an alias walks the document; the bound keeps that linear.
      if (aliases > maxAliases) return;
      if (path.some((ancestor) => isNode(ancestor) && !isAlias(ancestor) && ancestor.anchor !== undefined)) {
        const detail = `*${alias.source} stands inside of an anchor, so it could expand to far more than is written. Write the value out.`;
        if (!isNested) report('alias-in-anchor', offset, detail);
        isNested = true;
      } else if (alias.resolve(document) === undefined) {
        report('unknown-alias', offset, `No anchor &${alias.source} stands before *${alias.source}.`);
        isDangling = true;
      }
    },
  });
  return !isNested && !isDangling && aliases <= maxAliases;
}

function offsetOf(document: YamlDocument.Parsed, pointer: string, part: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let keyOffset = rangeStart(node);
  let written = node;
  for (const segment of pointer.split('/').slice(1)) {
    const name = segment.replaceAll('~1', '/').replaceAll('~0', '~');
    const container: unknown = isAlias(node) ? node.resolve(document) : node;
    if (isMap(container)) {
      const pair: Pair | undefined = container.items.find((item) => keyText(item) === name);
      if (pair === undefined) return keyOffset;
      keyOffset = rangeStart(pair.key);
      node = pair.value;
    } else if (isSeq(container)) {
      node = container.items[Number(name)];
      if (!isNode(node)) return keyOffset;
      keyOffset = rangeStart(node);
    } else return keyOffset;
    written = node;
  }
  return part === 'key' || emptyScalar(written) ? keyOffset : rangeStart(written);
}

function keyText(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

/** `key:` with nothing after it. */
function emptyScalar(node: unknown): boolean {
  return !isNode(node) || (isScalar(node) && node.value === null && node.source === '');
}

function rangeStart(node: unknown): number {
  return isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0;
}

/** Offsets at which lines begin. */
function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function place(starts: readonly number[], offset: number): Position {
  // At most 10,000 lines and 100 findings, so that a plain search is enough.
  const line = Math.max(1, starts.findLastIndex((start) => start <= offset) + 1);
  return { line, column: offset - (starts[line - 1] ?? 0) + 1 };
}

function firstInvalidByte(content: Uint8Array): Position {
  let lineStart = 0;
  for (let line = 1; ; line++) {
    const end = content.indexOf(0x0a, lineStart);
    const bytes = content.subarray(lineStart, end < 0 ? content.length : end);
    if (!isUtf8(bytes) || end < 0) {
      const column = new TextDecoder().decode(bytes).indexOf('\uFFFD') + 1;
      return { line, column: Math.max(column, 1) };
    }
    lineStart = end + 1;
  }
}
