import { createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { describeError } from '../../../src/base/errors.ts';
import { connectEtcd } from '../../../src/etcd/client.ts';
import { etcdError, surelyHadNoEffect } from '../../../src/etcd/client-errors.ts';
import { createTestPki } from './etcd-fixture.ts';

const alert =
  'No connection established. Last error: Error: 80AC62D5EB7F0000:error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:916:SSL alert number 42\n. Resolution note: ';

/** As grpc-js makes them: the message repeats the details. */
function grpcError(code: number, name: string, details: string): Error {
  return Object.assign(new Error(`${code} ${name}: ${details}`), { code, details });
}

test('an endpoint that hangs is said to hang, once', async () => {
  const { certificate, key, ca } = await (await createTestPki()).leaf('a');
  // Speaks TLS and HTTP/2, and then nothing more.
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const server = createServer({ cert: certificate, key, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(settings);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const url = `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const etcd = connectEtcd({
    endpoints: [url],
    credentials: { ca, certificate, key },
    clock: systemClock,
    timeoutMs: 1000,
  });
  try {
    const text = await etcd.status(url).then(() => 'an answer', describeError);
    expect(text).toMatch(/^ask for the status: https:\/\/127\.0\.0\.1:\d+ gave no answer within [0-9.]+s$/);
  } finally {
    etcd.close();
    server.close();
  }
});

test('what grpc-js says is told once, on one line, and still decides whether to go on', () => {
  const error = etcdError(grpcError(14, 'UNAVAILABLE', alert), 'list members', 'https://a:2379');
  expect(describeError(error)).toBe(
    'list members: https://a:2379 says: No connection established. Last error: Error: TLS alert: bad certificate',
  );
  expect(error.code).toBe('etcd-unreachable');
  expect(error.remedy).toContain('certificates');
  expect(surelyHadNoEffect(error)).toBe(true);
  const leaderless = etcdError(grpcError(14, 'UNAVAILABLE', 'etcdserver: no leader'), 'put', 'https://a:2379');
  expect(describeError(leaderless)).toBe('put: https://a:2379 says: etcdserver: no leader');
  expect(leaderless.code).toBe('etcd-no-leader');
});
