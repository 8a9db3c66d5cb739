import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { createFleetAuthority, fleetUri, issueFleetCertificate } from '../../../src/tls/fleet.ts';
import { parseCertificate } from '../../../src/tls/leaf.ts';
import { clockAt, codeOf, dayMs, startMs } from './certificates.ts';

const clock = clockAt(startMs);

test('each part of a fleet carries the name that says what it may do', async () => {
  const authority = await createFleetAuthority(clock);
  const ca = parseCertificate(authority.certificate);
  expect(ca).toMatchObject({ isAuthority: true, notAfterMs: startMs + 3650 * dayMs });
  const controller = parseCertificate(
    (await issueFleetCertificate(authority, { kind: 'controller' }, clock)).certificate,
  );
  expect(controller).toMatchObject({
    sans: ['quorate://controller'],
    notAfterMs: startMs + 365 * dayMs,
    issuer: ca.subject,
  });
  const operator = parseCertificate((await issueFleetCertificate(authority, { kind: 'operator' }, clock)).certificate);
  expect(operator.sans).toEqual(['quorate://operator']);
  const role = { kind: 'agent', name: 'a', address: '2001:DB8:0::1' } as const;
  const agent = parseCertificate((await issueFleetCertificate(authority, role, clock)).certificate);
  expect(agent.sans).toEqual([fleetUri(role), 'a', '2001:db8::1', 'localhost', '127.0.0.1', '::1']);
});

test('names that could pass for another part are refused', async () => {
  const authority = await createFleetAuthority(clock);
  for (const name of ['a,URI:quorate://controller', 'a b', '', '*'])
    expect(
      await codeOf(() => issueFleetCertificate(authority, { kind: 'agent', name, address: '10.0.0.1' }, clock)),
    ).toBe('name-invalid');
});

test('controller and agent shake hands; a controller of another fleet does not get in', async () => {
  const [ours, theirs] = [await createFleetAuthority(clock), await createFleetAuthority(clock)];
  const agent = await issueFleetCertificate(ours, { kind: 'agent', name: 'a', address: '127.0.0.1' }, clock);
  const server = createServer({
    cert: agent.certificate,
    key: agent.key,
    ca: ours.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const seen: (string | undefined)[] = [];
  server.on('secureConnection', (socket: TLSSocket) => {
    seen.push(socket.getPeerCertificate().subjectaltname);
    socket.on('error', () => undefined);
    socket.end('welcome');
  });
  server.on('tlsClientError', () => undefined);
  try {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const visit = async (from: typeof ours): Promise<string> => {
      const own = await issueFleetCertificate(from, { kind: 'controller' }, clock);
      const socket = connect({ host: '127.0.0.1', port, ca: ours.certificate, cert: own.certificate, key: own.key });
      const chunks: Buffer[] = [];
      try {
        for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      } finally {
        socket.destroy();
      }
    };
    expect(await visit(ours)).toBe('welcome');
    expect(await visit(theirs)).not.toBe('welcome');
    expect(seen).toEqual(['URI:quorate://controller']);
  } finally {
    server.close();
  }
});
