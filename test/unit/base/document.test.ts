import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../../src/base/document.ts';

function findings(content: string | Uint8Array): string[] {
  const { document, diagnostics } = parseDocument('f.yaml', content);
  expect(document).toBeUndefined();
  for (const diagnostic of diagnostics) expect(diagnostic).toMatchObject({ severity: 'error', file: 'f.yaml' });
  return diagnostics.map(({ code, line, column }) => `${code}@${line}:${column}`);
}

describe('what is refused, and where', () => {
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1,1]',
    'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]',
    'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]',
    'd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]',
  ].join('\n');
  test.each([
    ['an empty file', '', ['empty-document@1:1']],
    ['white space and comments', '\n# nothing\n\n', ['empty-document@1:1']],
    ['a lone null', '---\n', ['empty-document@1:1']],
    ['all syntax errors', 'a: "x\nb: [1\n', ['yaml-syntax@3:1']],
    ['two syntax errors', 'a: [1, 2\nb: 3\nc: }\n', ['yaml-syntax@2:1', 'yaml-syntax@3:4']],
    ['a tab as indentation', 'a:\n\tb: 1\n', ['yaml-syntax@2:1']],
    ['a duplicate key', 'a: 1\nb: 2\na: 3\n', ['duplicate-key@3:1']],
    [
      'duplicate keys anywhere',
      'a: { x: 1, "x": 2 }\nb:\n  - y: 1\n    z: 1\n    y: 2\n',
      ['duplicate-key@1:12', 'duplicate-key@5:5'],
    ],
    ['a key that is no text', '? [1]\n: 2\n', ['yaml-syntax@1:3']],
    ['two documents', 'a: 1\n---\nb: 2\n', ['several-documents@2:1']],
    ['an empty second document', 'a: 1\n---\n', ['several-documents@2:1']],
    ['a tag', 'a: 1\nb: !!js/function x\n', ['unknown-tag@2:4']],
    ['a tag that YAML knows', 'a: !!binary eA==\n', ['unknown-tag@1:4']],
    ['an alias without an anchor', 'a: 1\nb: *x\n', ['unknown-alias@2:4']],
    ['an alias of itself', 'a: &x [1, *x]\n', ['alias-in-anchor@1:11']],
    ['an alias bomb', bomb, ['alias-in-anchor@2:8']],
    ['more aliases than 100', `a: &x 1\nb:\n${'  - *x\n'.repeat(101)}`, ['too-many-aliases@103:5']],
    ['more than 256 KiB', `a: ${'\n# x'.repeat(66_000)}`, ['document-too-large@1:1']],
    ['more than 10,000 lines', `a: 1\n${'\n'.repeat(10_000)}`, ['document-too-large@10001:1']],
    ['a line of more than 8192 characters', `a: 1\nb: ${'x'.repeat(8200)}\n`, ['document-too-large@2:1']],
    ['deep brackets', `a: 1\nb: ${'['.repeat(4000)}\n`, ['too-deeply-nested@2:66']],
  ])('%s', (_name, content, expected) => {
    expect(findings(content)).toEqual(expected);
  });

  test('what is not UTF-8, at the first byte that is not', () => {
    expect(findings(Buffer.from([0x61, 0x3a, 0x20, 0x31, 0x0a, 0x62, 0x3a, 0x20, 0xff, 0x0a]))).toEqual([
      'not-utf8@2:4',
    ]);
    expect(findings(Buffer.from('\ufeffa: 1\n', 'utf16le'))).toEqual(['not-utf8@1:1']);
  });

  test.each(['[', '- ', '? ', '{a: ', '[\n', '? - ', ': ', '- &a '])(
    'deep nesting by %j is seen before it is parsed',
    (piece) => {
      for (const length of [500, 2000, 8000]) {
        const { document, diagnostics } = parseDocument('f.yaml', piece.repeat(length / piece.length));
        expect(document).toBeUndefined();
        expect(diagnostics.length).toBeGreaterThan(0);
      }
    },
  );

  test('at most 100 findings are shown for one file', () => {
    expect(findings('a: 1\n'.repeat(500))).toHaveLength(100);
  });

  test('what could be read is given for the name of the file', () => {
    expect(parseDocument('f.yaml', 'a: 1\na: 2\n').salvaged).toEqual({ a: 2 });
  });
});

describe('what is read', () => {
  test('plain values of YAML 1.2, whatever the directive says', () => {
    const text = '%YAML 1.1\n---\na: yes\nb: 0x1F\nc: 1e3\nd: ~\ne: 010\n1: x\n__proto__: { y: 1 }\n<<: { z: 1 }\n';
    const value = parseDocument('f.yaml', text).document?.value;
    expect(value).toEqual({
      a: 'yes',
      b: 31,
      c: 1000,
      d: null,
      e: 10,
      1: 'x',
      ['__proto__']: { y: 1 },
      '<<': { z: 1 },
    });
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test('a byte order mark and Windows line ends', () => {
    const { document } = parseDocument('f.yaml', Buffer.from('\ufeffa: 1\r\nb: 2\r\n'));
    expect(document?.value).toEqual({ a: 1, b: 2 });
    expect(document?.positionOf('/b')).toEqual({ line: 2, column: 4 });
  });
});

describe('positions', () => {
  const text = [
    'top:',
    '  list:',
    '    - name: x',
    '      zone: &z "q"',
    '    - { name: y, zone: *z }',
    '  a/b~c: 1',
    '  empty:',
    'after: 2',
    '',
  ].join('\n');
  const { document } = parseDocument('f.yaml', text);
  test.each([
    ['', 'value', 1, 1],
    ['/top', 'key', 1, 1],
    ['/top', 'value', 2, 3],
    ['/top/list/0', 'value', 3, 7],
    ['/top/list/0/name', 'key', 3, 7],
    ['/top/list/0/name', 'value', 3, 13],
    ['/top/list/1/zone', 'value', 5, 24],
    ['/top/a~1b~0c', 'key', 6, 3],
    ['/top/a~1b~0c', 'value', 6, 10],
    ['/top/empty', 'value', 7, 3],
    ['/top/missing', 'value', 1, 1],
    ['/top/list/1/missing/deeper', 'value', 5, 7],
    ['/top/list/9', 'value', 2, 3],
    ['/after/below', 'value', 8, 1],
  ] as const)('%s (%s) is at %i:%i', (pointer, part, line, column) => {
    expect(document?.positionOf(pointer, part)).toEqual({ line, column });
  });
});
