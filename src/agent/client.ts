import { Readable } from 'node:stream';
import { buildConnector, Pool } from 'undici';
import { describeError, QuorateError } from '../base/errors.ts';
import { agentRefused, connectionError } from './client-errors.ts';
import { type Identity, isSameIdentity } from './identity.ts';
import { type Progress, watched } from './progress.ts';
import {
  type AgentClient,
  type AgentCommands,
  archiveHashHeader,
  type BinaryFact,
  backupHeader,
  type CertificateFacts,
  epochHeader,
  type Fence,
  type HostFacts,
  hostHeader,
  type LatchedIdentity,
  type PreparedRestore,
  type ProcessFacts,
  runHeader,
} from './wire.ts';
import { fromWireError } from './wire-errors.ts';
import type { CommandName } from './wire-schemas.ts';

export interface AgentTimeouts {
  /** TCP and TLS. */
  readonly connectMs: number;
  readonly factsMs: number;
  /** Commands that only write files. */
  readonly commandMs: number;
  /** A start, whose binary is at hand or nearly so. */
  readonly startMs: number;
  /** A release may have to be built from source. */
  readonly fetchMs: number;
  /** Of a snapshot that is sent: how long nothing of it may be taken. The whole may take as long as it takes. */
  readonly uploadIdleMs: number;
  /** From its last byte on: unpacking what is under way, and waiting for the disk. */
  readonly uploadEndMs: number;
  /** etcd's own tool copies the database; longer than the agent lets it run. */
  readonly prepareMs: number;
  /** Renames, but of folders on a disk that may be busy. */
  readonly installMs: number;
}

const agentTimeouts: AgentTimeouts = {
  connectMs: 2000,
  factsMs: 5000,
  commandMs: 15_000,
  startMs: 60_000,
  fetchMs: 900_000,
  uploadIdleMs: 120_000,
  uploadEndMs: 300_000,
  prepareMs: 2_700_000,
  installMs: 120_000,
};

export interface AgentConnection {
  /** `https://host:port`. */
  readonly url: string;
  /** Name of the host that is meant; answers of another one are errors (`wrong-host`). */
  readonly expectedHost: string;
  /** Asked for every new connection, so that a renewed certificate is used without a restart. */
  readonly identity: () => Promise<Identity>;
  readonly timeouts?: Partial<AgentTimeouts> | undefined;
}

/** Shorter than the agent keeps it (75 s), so that no request goes into a closing connection. */
const keepAliveMs = 20_000;
/** Facts of 256 clusters and logs of 10,000 lines stay below. */
const maxResponseBytes = 16 * 1024 * 1024;
const maxConnections = 4;

/** A typed channel to one agent. Nothing is sent before the first call. */
export function connectAgent(connection: AgentConnection): AgentClient {
  const timeouts = { ...agentTimeouts, ...connection.timeouts };
  const pool = new Pool(connection.url, {
    connect: renewingConnector(connection.identity, timeouts.connectMs),
    connections: maxConnections,
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    maxResponseSize: maxResponseBytes,
  });
  const request = (call: Call): Promise<unknown> => send(pool, connection, call);
  return {
    facts: async (cluster) => {
      const path = cluster === undefined ? '/v1/facts' : `/v1/facts?cluster=${encodeURIComponent(cluster)}`;
      const facts = await request({ method: 'GET', path, timeoutMs: timeouts.factsMs });
      if (isRecord(facts) && facts['host'] === connection.expectedHost && isRecord(facts['clusters']))
        return facts as unknown as HostFacts;
      throw agentRefused(
        `read the facts of ${connection.expectedHost}`,
        'the answer is not what an agent of this host says',
      );
    },
    logs: async (cluster, lines) => {
      const path = `/v1/clusters/${encodeURIComponent(cluster)}/logs?lines=${Math.max(0, Math.min(lines, 10_000))}`;
      const answer = await request({ method: 'GET', path, timeoutMs: timeouts.commandMs });
      if (isRecord(answer) && Array.isArray(answer['lines'])) return answer['lines'].map(String);
      throw agentRefused(`read the log of ${cluster} on ${connection.expectedHost}`, 'the answer holds no lines');
    },
    commands: (cluster, fence) => commandsOf(cluster, fence, timeouts, request),
    close: async () => {
      await pool.destroy();
    },
  };
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** Of the whole call; with an upload, see `AgentTimeouts`. */
  readonly timeoutMs: number;
  readonly body?: object | undefined;
  readonly upload?: { readonly source: AsyncIterable<Uint8Array>; readonly idleMs: number } | undefined;
  readonly headers?: Record<string, string> | undefined;
}

function commandsOf(
  cluster: string,
  fence: Fence,
  timeouts: AgentTimeouts,
  request: (call: Call) => Promise<unknown>,
): AgentCommands {
  const base = `/v1/clusters/${encodeURIComponent(cluster)}`;
  const fenced = { [epochHeader]: String(fence.epoch), [runHeader]: fence.runId };
  const post = async <T>(command: CommandName, body: object, timeoutMs = timeouts.commandMs): Promise<T> =>
    (await request({ method: 'POST', path: `${base}/${command}`, timeoutMs, body, headers: fenced })) as T;
  return {
    claim: async () => {
      await post('claim', {});
    },
    writeTrust: async (body) => {
      await post('write-trust', body);
    },
    createCsr: async (body) => (await post<{ csr: string }>('create-csr', body)).csr,
    installCertificate: (body) => post<CertificateFacts>('install-certificate', body),
    fetchBinary: (version) => post<BinaryFact>('fetch-binary', { version }, timeouts.fetchMs),
    start: (body) => post<ProcessFacts>('start', body, timeouts.startMs),
    // TERM, QUIT and KILL may each take the grace, and the agent has a lowest one of its own.
    stop: (body) => post<ProcessFacts>('stop', body, 3 * Math.max(body.graceMs, 10_000) + timeouts.commandMs),
    archiveData: async (body) => (await post<{ archive: string | null }>('archive-data', body)).archive,
    stageSnapshot: async ({ backup, sha256 }, source) => {
      const about = { [backupHeader]: backup, ...(sha256 === null ? {} : { [archiveHashHeader]: sha256 }) };
      await request({
        method: 'PUT',
        path: `${base}/snapshot`,
        timeoutMs: timeouts.uploadEndMs,
        upload: { source, idleMs: timeouts.uploadIdleMs },
        headers: { 'content-type': 'application/gzip', ...about, ...fenced },
      });
    },
    prepareRestore: (body) => post<PreparedRestore>('prepare-restore', body, timeouts.prepareMs),
    installRestored: (body) => post<LatchedIdentity>('install-restored', body, timeouts.installMs),
  };
}

async function send(pool: Pool, connection: AgentConnection, call: Call): Promise<unknown> {
  const { expectedHost, url } = connection;
  const operation = `${call.method} ${call.path} on host ${expectedHost} (${url})`;
  const progress = call.upload === undefined ? undefined : watched(call.upload, call.timeoutMs);
  const timeout = progress?.signal ?? AbortSignal.timeout(call.timeoutMs);
  try {
    const response = await pool.request({
      method: call.method,
      path: call.path,
      headers: {
        [hostHeader]: expectedHost,
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...call.headers,
      },
      body: bodyOf(call, progress),
      // The signal above bounds the call; undici's own five minutes would cut a long fetch.
      headersTimeout: 0,
      bodyTimeout: 0,
      signal: timeout,
    });
    const body = parseJson(await response.body.text());
    const answered = response.headers[hostHeader];
    if (answered !== undefined && answered !== expectedHost) throw wrongHost(operation, expectedHost, String(answered));
    if (response.statusCode !== 200) throw fromWireError(response.statusCode, body, operation);
    if (answered === undefined || body === undefined) throw agentRefused(operation, 'what answered is not an agent');
    return body;
  } catch (error) {
    if (error instanceof QuorateError) throw error;
    // What is to be sent could not be read: not the agent's fault, and it has a code of its own.
    if (progress?.failure !== undefined) throw progress.failure;
    throw connectionError(error, operation, timeout.aborted ? (progress?.limitMs ?? call.timeoutMs) : undefined);
  } finally {
    progress?.end();
  }
}

function bodyOf(call: Call, progress: Progress | undefined): Readable | string | null {
  if (progress !== undefined) return Readable.from(progress.source, { objectMode: false, highWaterMark: 1024 * 1024 });
  return call.body === undefined ? null : JSON.stringify(call.body);
}

/** Builds a connector anew when the certificate on disk has changed. */
function renewingConnector(identity: () => Promise<Identity>, timeoutMs: number): buildConnector.connector {
  let current: { readonly identity: Identity; readonly connect: buildConnector.connector } | undefined;
  return (options, callback) => {
    const fail = (error: Error): void => callback(error, null);
    identity().then(
      (read) => {
        if (current === undefined || !isSameIdentity(current.identity, read)) {
          const connect = buildConnector({
            ...read,
            timeout: timeoutMs,
            minVersion: 'TLSv1.2',
            rejectUnauthorized: true,
          });
          current = { identity: read, connect };
        }
        current.connect(options, callback);
      },
      (error: unknown) => fail(error instanceof Error ? error : new Error(describeError(error))),
    );
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrongHost(operation: string, expected: string, answered: string): QuorateError {
  return new QuorateError({
    code: 'wrong-host',
    kind: 'stalled',
    operation,
    summary: `the agent of host ${answered} answered where ${expected} was expected`,
    remedy: 'Check the agent URL of the host in the cluster spec.',
  });
}
