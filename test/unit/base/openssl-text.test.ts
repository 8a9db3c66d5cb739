import { expect, test } from 'vitest';
import { describeError } from '../../../src/base/errors.ts';
import { readableOpenssl } from '../../../src/base/openssl-text.ts';

const alert =
  '80AC62D5EB7F0000:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:916:SSL alert number 48\n';
const version =
  '80AC62D5EB7F0000:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl/openssl/ssl/record/ssl3_record.c:355:\n';

test.each([
  ['an alert of the other side', alert, 'TLS alert: unknown ca'],
  ['an alert by its newer name', alert.replace('tlsv1', 'ssl/tls'), 'TLS alert: unknown ca'],
  ['a fault of our own side', version, 'TLS: wrong version number'],
  ['without a thread and a place', 'error:0480006C:PEM routines::no start line', 'PEM: no start line'],
  ['in the middle of a sentence', `Last error: ${alert}and more`, 'Last error: TLS alert: unknown ca and more'],
  ['two entries', alert + version, 'TLS alert: unknown ca; TLS: wrong version number'],
  ['the same entry twice', alert + alert, 'TLS alert: unknown ca'],
  ['anything else, as it is', 'connect ECONNREFUSED\n127.0.0.1:7001 ', 'connect ECONNREFUSED\n127.0.0.1:7001 '],
])('%s', (_what, text, readable) => {
  expect(readableOpenssl(text)).toBe(readable);
});

test('errors are told on one line, with their causes', () => {
  const error = new Error('GET /v1/facts failed', { cause: new Error(alert) });
  expect(describeError(error)).toBe('GET /v1/facts failed: TLS alert: unknown ca');
});
