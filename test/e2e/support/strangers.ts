import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { createFleetAuthority, issueFleetCertificate } from '../../../src/tls/fleet.ts';
import { writeCredentials } from './credentials.ts';
import type { Fleet } from './fleet.ts';

/** How TLS turns a caller down: by an alert, or by hanging up when the alert comes too late. */
const refusal = /alert|ECONNRESET|EPIPE|hang up/i;

/** A member answers neither plain text, nor callers without a certificate, nor callers with one that they made themselves. */
export async function expectClosedToStrangers(fleet: Fleet, name: string): Promise<void> {
  const host = fleet.host(name);
  const ca = await readFile((await operatorFile(fleet, 'ca')).path, 'utf8');
  const operator = {
    ca,
    cert: await readFile((await operatorFile(fleet, 'cert')).path),
    key: await readFile((await operatorFile(fleet, 'key')).path),
  };
  const own = await selfMade();
  expect(await getHealth(host.clientUrl, operator)).toBe(200);
  for (const url of [host.clientUrl, host.peerUrl]) {
    expect(await plainHealth(url)).not.toContain('200 OK');
    await expect(getHealth(url, { ca })).rejects.toThrow(refusal);
    await expect(getHealth(url, { ca, cert: own.certificate, key: own.key })).rejects.toThrow(refusal);
  }
  // The other domain's authority opens nothing either: a client's certificate is no peer's.
  await expect(getHealth(host.peerUrl, operator)).rejects.toThrow(refusal);

  const etcdctl = await fleet.etcdctl();
  const stranger = await writeCredentials(fleet.folder, 'stranger', { ca, certificate: own.certificate, key: own.key });
  expect(await etcdctl.codeWith(stranger, host.clientUrl)).not.toBe(0);
  expect(await etcdctl.codeWith({ ca: stranger.ca }, host.clientUrl)).not.toBe(0);
  expect(await etcdctl.codeWith({}, host.clientUrl.replace('https', 'http'))).not.toBe(0);
}

async function operatorFile(fleet: Fleet, kind: 'ca' | 'cert' | 'key'): Promise<{ readonly path: string }> {
  await fleet.etcdctl();
  const names = { ca: 'operator-ca.crt', cert: 'operator.crt', key: 'operator.key' };
  return { path: join(fleet.folder, names[kind]) };
}

async function selfMade(): Promise<{ readonly certificate: string; readonly key: string }> {
  const authority = await createFleetAuthority(systemClock);
  return issueFleetCertificate(authority, { kind: 'operator' }, systemClock);
}

/** Status of `GET /health`; rejects when the connection is refused. */
function getHealth(
  url: string,
  options: { readonly ca: string; readonly cert?: string | Buffer; readonly key?: string | Buffer },
): Promise<number> {
  return new Promise((resolve, reject) => {
    // It is the server's refusal that is looked for, so the caller accepts whatever the server shows.
    const call = { ...options, agent: false as const, rejectUnauthorized: false, timeout: 5000 };
    const asked = request(new URL('/health', url), call, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('timeout', () => asked.destroy(new Error(`no answer from ${url}`)));
    asked.once('error', reject);
    asked.end();
  });
}

/** What a TLS port says to plain HTTP. */
function plainHealth(url: string): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    let answer = '';
    const socket = connect(Number(port), hostname, () => {
      socket.end('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    });
    socket.setTimeout(5000, () => socket.destroy());
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => resolve(answer));
    socket.once('close', () => resolve(answer));
  });
}
