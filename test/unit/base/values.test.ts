import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, digestOf } from '../../../src/base/canonical.ts';
import { formatTime } from '../../../src/base/clock.ts';
import { formatDiagnostic, hasErrors } from '../../../src/base/diagnostics.ts';
import { formatDuration, parseDuration } from '../../../src/base/duration.ts';
import { asQuorateError, describeError, QuorateError, systemErrorCode } from '../../../src/base/errors.ts';
import { redact, Secret } from '../../../src/base/redact.ts';
import { formatSize, parseSize } from '../../../src/base/size.ts';

test.each([
  ['0s', 0],
  ['850ms', 850],
  ['15m', 900_000],
  ['90d', 7_776_000_000],
  ['2w', 1_209_600_000],
  ['5y', 157_680_000_000],
])('the duration %s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', '15', 'm', '1.5h', '-1h', ' 1h', '1h ', '1h30m', '1H', '1234567890s'])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [64_000, '1m 4s'],
  [183_600_000, '2d 3h'],
  [31_536_000_000 + 86_400_000, '1y 1d'],
  [3_600_000 + 5_000, '1h'],
  [-1500, '-2s'],
])('%i ms is written as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test('sizes', () => {
  expect(['1B', '2KiB', '3MiB', '8GiB', '1TiB'].map((text) => parseSize(text))).toEqual([
    1,
    2048,
    3 * 1024 ** 2,
    8_589_934_592,
    1024 ** 4,
  ]);
  expect(['', '8', '8GB', '1.5GiB', '8 GiB', '-1B'].map((text) => parseSize(text))).toEqual(Array(6).fill(undefined));
  expect([0, 1023, 1024, 1.5 * 1024 ** 3].map((bytes) => formatSize(bytes))).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 GiB',
  ]);
});

test('times are UTC and whole seconds', () => {
  expect(formatTime(Date.UTC(2026, 10, 20, 15, 29, 48, 999))).toBe('2026-11-20T15:29:48Z');
});

describe('canonical JSON', () => {
  test('does not depend on the order of keys, leaves out undefined, and reads back as the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(digestOf({ ...reversed, ['\u0000none']: undefined })).toBe(digestOf(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('is sorted at every depth, and has a digest that other programs can make', () => {
    expect(canonicalJson({ b: [{ d: 1, c: null }], a: 'x' })).toBe('{"a":"x","b":[{"c":null,"d":1}]}');
    expect(digestOf({})).toBe('sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  });
});

test('a diagnostic is printed as compilers do', () => {
  const found = {
    severity: 'error',
    code: 'c',
    summary: 'S',
    detail: 'one\ntwo',
    file: 'f',
    line: 1,
    column: 2,
  } as const;
  expect(formatDiagnostic(found)).toBe('f:1:2: error: S [c]\n  one\n  two');
  expect(formatDiagnostic({ severity: 'warning', code: 'c', summary: 'S', detail: 'd' })).toBe(
    '<input>: warning: S [c]\n  d',
  );
  expect(hasErrors([found])).toBe(true);
  expect(hasErrors([{ ...found, severity: 'warning' }])).toBe(false);
});

describe('errors', () => {
  test('a chain of causes is one line, without repeating itself', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const error = new Error('fetch failed', { cause: new Error('fetch failed', { cause }) });
    expect(describeError(error)).toBe('fetch failed: connect ECONNREFUSED');
    expect(systemErrorCode(error)).toBe('ECONNREFUSED');
    expect(describeError(Object.assign(new AggregateError([new Error('a'), 'b'], 'x'), { message: '' }))).toBe('a; b');
  });

  test('a cycle of causes ends', () => {
    const error = new Error('a');
    error.cause = error;
    expect(describeError(error)).toBe('a');
    expect(systemErrorCode(error)).toBeUndefined();
  });

  test('a foreign error is wrapped once', () => {
    const fields = { code: 'x', kind: 'transient', operation: 'do it' } as const;
    const wrapped = asQuorateError(new Error('boom'), fields);
    expect(wrapped).toMatchObject({ ...fields, summary: 'boom', message: 'do it: boom' });
    expect(asQuorateError(wrapped, { ...fields, code: 'y' })).toBe(wrapped);
    expect(wrapped).toBeInstanceOf(QuorateError);
  });
});

describe('secrets', () => {
  test('a secret shows itself only when it is asked to', () => {
    const secret = new Secret('hunter2');
    const shown = [String(secret), JSON.stringify({ secret }), inspect({ secret })];
    for (const text of shown) {
      expect(text).not.toContain('hunter2');
      expect(text).toContain('sha256:f52fbd32b2b3');
    }
    expect(secret.reveal()).toBe('hunter2');
  });

  test('private keys and passwords in URLs are taken out of text', () => {
    const key = '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----';
    expect(redact(`a ${key} b`)).toBe('a -----BEGIN EC PRIVATE KEY----- (redacted) -----END EC PRIVATE KEY----- b');
    expect(redact('-----BEGIN PRIVATE KEY-----\nAAAA cut off')).not.toContain('AAAA');
    expect(redact('git clone https://u:p@example.com/x')).toBe('git clone https://(redacted)@example.com/x');
  });
});
