import { buildConnector, Pool } from 'undici';
import { describeError, QuorateError } from '../base/errors.ts';
import { agentRefused, connectionError } from './client-errors.ts';
import { type Identity, isSameIdentity } from './identity.ts';
import {
  type AgentClient,
  type AgentCommands,
  type BinaryFact,
  type CertificateFacts,
  epochHeader,
  type Fence,
  type HostFacts,
  hostHeader,
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
}

const agentTimeouts: AgentTimeouts = {
  connectMs: 2000,
  factsMs: 5000,
  commandMs: 15_000,
  startMs: 60_000,
  fetchMs: 900_000,
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
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly timeoutMs: number;
  readonly body?: object | undefined;
  readonly headers?: Record<string, string> | undefined;
}

function commandsOf(
  cluster: string,
  fence: Fence,
  timeouts: AgentTimeouts,
  request: (call: Call) => Promise<unknown>,
): AgentCommands {
  const post = async <T>(command: CommandName, body: object, timeoutMs = timeouts.commandMs): Promise<T> =>
    (await request({
      method: 'POST',
      path: `/v1/clusters/${encodeURIComponent(cluster)}/${command}`,
      timeoutMs,
      body,
      headers: { [epochHeader]: String(fence.epoch), [runHeader]: fence.runId },
    })) as T;
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
  };
}

async function send(pool: Pool, connection: AgentConnection, call: Call): Promise<unknown> {
  const { expectedHost, url } = connection;
  const operation = `${call.method} ${call.path} on host ${expectedHost} (${url})`;
  const timeout = AbortSignal.timeout(call.timeoutMs);
  try {
    const response = await pool.request({
      method: call.method,
      path: call.path,
      headers: {
        [hostHeader]: expectedHost,
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...call.headers,
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      // The signal above bounds the whole call; undici's own five minutes would cut a long fetch.
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
    throw connectionError(error, operation, timeout.aborted ? call.timeoutMs : undefined);
  }
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
