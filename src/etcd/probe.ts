import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { ClientCredentials } from '../tls/keystore.ts';
import type { MemberProbe, PresentedCertificate, ProbeResult } from './api.ts';

export type CredentialsProvider = () => ClientCredentials | Promise<ClientCredentials>;

/** Far above any answer of `/health`. */
const maxBodyBytes = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Probes of the members of one cluster, each on a fresh connection, so that neither a pool nor a
 * session of an earlier handshake hides what a member presents now. One has `timeoutMs` in all.
 */
export function createMemberProbe(credentials: CredentialsProvider, clock: Clock, timeoutMs = 1000): MemberProbe {
  return {
    health: async (clientUrl) => {
      try {
        return await probe(clientUrl, await credentials(), clock, timeoutMs);
      } catch (error) {
        return { healthy: false, reason: describeError(error) };
      }
    },
  };
}

async function probe(
  clientUrl: string,
  credentials: ClientCredentials,
  clock: Clock,
  timeoutMs: number,
): Promise<ProbeResult> {
  const startedMs = clock.monotonic();
  const socket = openTls(new URL(clientUrl), credentials);
  const done = new AbortController();
  clock.sleep(timeoutMs, done.signal).then(
    () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)),
    () => undefined,
  );
  let presented: PresentedCertificate | undefined;
  try {
    await handshake(socket);
    presented = presentedBy(socket);
    if (!socket.authorized) return { healthy: false, reason: distrust(socket), presented };
    const answer = await get(socket, new URL('/health', clientUrl));
    const reason = healthProblem(answer);
    if (reason !== undefined) return { healthy: false, reason, presented };
    if (presented === undefined) return { healthy: false, reason: 'the member presented no certificate' };
    return { healthy: true, latencyMs: clock.monotonic() - startedMs, presented };
  } catch (error) {
    // TLS 1.3 lets the client go on before the server has looked at the client's certificate.
    return { healthy: false, reason: describeFailure(error, presented !== undefined), presented };
  } finally {
    done.abort();
    socket.destroy();
  }
}

/** Parsing the PEM costs more than a handshake, and the same credentials serve every probe for hours. */
const contexts = new WeakMap<ClientCredentials, SecureContext>();

function contextOf(credentials: ClientCredentials): SecureContext {
  const { ca, certificate, key } = credentials;
  const context =
    contexts.get(credentials) ?? createSecureContext({ ca, cert: certificate, key, minVersion: 'TLSv1.2' });
  contexts.set(credentials, context);
  return context;
}

/** Distrust does not end the handshake, so that the certificate can be shown; nothing is sent then. */
function openTls(url: URL, credentials: ClientCredentials): TLSSocket {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return connect({
    host,
    port: Number(url.port === '' ? 443 : url.port),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: contextOf(credentials),
    rejectUnauthorized: false,
  });
}

function handshake(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed during the TLS handshake')));
  });
}

function presentedBy(socket: TLSSocket): PresentedCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return {
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex'),
    serial: certificate.serialNumber.toLowerCase(),
    notAfterMs: Date.parse(certificate.validTo),
  };
}

function distrust(socket: TLSSocket): string {
  const why: unknown = socket.authorizationError;
  return `the member's certificate is not trusted: ${why instanceof Error ? why.message : String(why)}`;
}

function get(socket: TLSSocket, url: URL): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(url.href.replace(/^https:/, 'http:'), {
      createConnection: () => socket,
      headers: { connection: 'close' },
    });
    call.once('error', reject);
    socket.once('error', reject);
    call.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBodyBytes) response.destroy(new Error(`the answer is longer than ${maxBodyBytes} bytes`));
        else chunks.push(chunk);
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      response.once('close', () => reject(new Error('the connection was closed in the middle of the answer')));
    });
    call.end();
  });
}

/** `{"health":"true"}` in 3.4, with a `reason` beside it from 3.5 on; status 503 when unhealthy. */
function healthProblem({ status, body }: Answer): string | undefined {
  const answer = parseObject(body);
  const health = answer?.['health'];
  if (status === 200 && (health === 'true' || health === true)) return undefined;
  const reason = answer?.['reason'];
  if (typeof reason === 'string' && reason !== '') return `unhealthy: ${reason}`;
  if (health === 'false' || health === false) return 'unhealthy: the member sees no leader or has raised an alarm';
  return `GET /health answered ${status}: ${body.slice(0, 200).trim()}`;
}

function parseObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function describeFailure(error: unknown, sawCertificate: boolean): string {
  const text = describeError(error);
  const isRefusal = /alert|ECONNRESET|socket hang up|closed|EPIPE/i.test(text);
  return sawCertificate && isRefusal ? `the member did not accept our certificate, or went away: ${text}` : text;
}
