import { Server as HttpsServer } from 'node:https';
import { TLSSocket } from 'node:tls';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { asQuorateError, describeError, QuorateError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Identity } from './identity.ts';
import { clusterNamePattern } from './paths.ts';
import { mayDo, roleOf } from './roles.ts';
import { addUploadRoute, boundArrival } from './upload.ts';
import { epochHeader, type Fence, type HostFacts, hostHeader, runHeader, type StageSnapshotRequest } from './wire.ts';
import { statusOf, toWireError } from './wire-errors.ts';
import { type CommandName, commandSchemas } from './wire-schemas.ts';

const maxBodyBytes = 1024 * 1024;
const maxLogLines = 10_000;
/** For a request to arrive, snapshots apart; how long an answer takes is the command's affair. */
const requestTimeoutMs = 30_000;
/** Longer than clients keep a connection (20 s), so that none is closed under a request. */
const keepAliveTimeoutMs = 75_000;
const maxConnections = 256;

/** What the server can be asked; bodies have passed their schemas when they get here. */
export interface AgentService {
  readonly host: string;
  facts(cluster: string | undefined): Promise<HostFacts>;
  /** Rejects with `unknown-cluster` when the host has never had to do with it. */
  logs(cluster: string, lines: number): Promise<readonly string[]>;
  stageSnapshot(
    cluster: string,
    request: StageSnapshotRequest,
    archive: AsyncIterable<Uint8Array>,
    fence: Fence,
  ): Promise<void>;
  command(cluster: string, command: CommandName, body: unknown, fence: Fence): Promise<unknown>;
}

const pathSchema = {
  type: 'object',
  required: ['cluster'],
  properties: { cluster: { type: 'string', pattern: clusterNamePattern } },
};
const factsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: { cluster: { type: 'string', maxLength: 63 } },
};
const linesSchema = {
  type: 'object',
  additionalProperties: false,
  properties: { lines: { type: 'string', pattern: '^[0-9]{1,5}$' } },
};

/** HTTPS with mutual TLS. Not listening yet. */
export function createAgentServer(service: AgentService, identity: Identity, log: Logger): FastifyInstance {
  const server = Fastify({
    https: tlsOptions(identity),
    bodyLimit: maxBodyBytes,
    // Node's own limit has no exception for one path; `boundArrival` stands in for it.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    // Fastify's own choice removes unknown keys and turns "1" into 1; here they are errors.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
  });
  server.server.maxConnections = maxConnections;
  server.server.headersTimeout = requestTimeoutMs;
  // An HTTPS server without this would print nothing and tell nobody who was turned away.
  server.server.on('tlsClientError', (error) => log.debug({ err: describeError(error) }, 'TLS handshake failed'));
  server.addHook('onRequest', async (request, reply) => {
    reply.header(hostHeader, service.host);
    boundArrival(request.raw, requestTimeoutMs);
    admit(request, service.host);
  });
  server.setErrorHandler<FastifyError | QuorateError>(async (error, request, reply) => {
    const { status, wire } = answerTo(error);
    log[status >= 500 ? 'error' : 'warn'](
      { method: request.method, url: request.url, status, ...wire },
      'request failed',
    );
    return reply.code(status).send(wire);
  });
  server.setNotFoundHandler(async (_request, reply) => {
    return reply.code(404).send({ code: 'unknown-path', summary: 'This agent has no such path.' });
  });
  addRoutes(server, service, log);
  return server;
}

/** New connections see the new certificate; throws, and changes nothing, when it does not belong to its key. */
export function renewIdentity(server: FastifyInstance, identity: Identity): void {
  if (server.server instanceof HttpsServer) server.server.setSecureContext(tlsOptions(identity));
}

/** The same options for the first context and for every later one. */
function tlsOptions(identity: Identity) {
  return {
    ...identity,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: 10_000,
  };
}

function addRoutes(server: FastifyInstance, service: AgentService, log: Logger): void {
  server.get<{ Querystring: { cluster?: string } }>(
    '/v1/facts',
    { schema: { querystring: factsSchema } },
    async (request) => service.facts(request.query.cluster),
  );
  server.get<{ Params: { cluster: string }; Querystring: { lines?: string } }>(
    '/v1/clusters/:cluster/logs',
    { schema: { params: pathSchema, querystring: linesSchema } },
    async (request) => {
      const lines = Math.min(Number(request.query.lines ?? '100'), maxLogLines);
      return { lines: await service.logs(request.params.cluster, lines) };
    },
  );
  for (const command of commandNames) {
    server.post<{ Params: { cluster: string }; Body: unknown }>(
      `/v1/clusters/:cluster/${command}`,
      { schema: { params: pathSchema, body: commandSchemas[command] } },
      async (request) => {
        const fence = fenceOf(request);
        const { cluster } = request.params;
        const result = await service.command(cluster, command, request.body, fence);
        log.info({ cluster, command, run: fence.runId, epoch: fence.epoch }, 'command done');
        return result;
      },
    );
  }
  addUploadRoute(server, pathSchema, async (request, cluster, upload, archive) => {
    const fence = fenceOf(request);
    await service.stageSnapshot(cluster, upload, archive, fence);
    log.info({ cluster, backup: upload.backup, run: fence.runId, epoch: fence.epoch }, 'snapshot taken in');
  });
}

const commandNames = Object.keys(commandSchemas).filter((name): name is CommandName => name in commandSchemas);

function admit(request: FastifyRequest, host: string): void {
  const { socket } = request.raw;
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const role = roleOf(certificate?.subjectAltName);
  if (!mayDo(role, request.method)) {
    throw new RequestRefused(403, {
      code: 'not-allowed',
      summary: `a certificate ${role === undefined ? 'without a role' : `of the role ${role}`} may not ${request.method} here`,
      remedy: 'Use a certificate with the URI quorate://controller to change things, or quorate://operator to read.',
    });
  }
  const meant = request.headers[hostHeader];
  if (meant === host || (meant === undefined && ['GET', 'HEAD'].includes(request.method))) return;
  throw new RequestRefused(421, {
    code: 'wrong-host',
    summary:
      meant === undefined
        ? `the header ${hostHeader} is missing`
        : `this is host ${host}, the request is for another one`,
    remedy: 'Check the agent URL of the host in the cluster spec.',
  });
}

function fenceOf(request: FastifyRequest): Fence {
  const epoch = Number(request.headers[epochHeader]);
  const runId = request.headers[runHeader];
  const isWellFormed =
    /^[0-9]{1,16}$/.test(String(request.headers[epochHeader])) && Number.isSafeInteger(epoch) && epoch > 0;
  if (isWellFormed && typeof runId === 'string' && /^[A-Za-z0-9._:-]{1,128}$/.test(runId)) return { epoch, runId };
  throw new RequestRefused(400, {
    code: 'fence-missing',
    summary: `every command needs ${epochHeader} (a whole number from 1) and ${runHeader} (1 to 128 letters, digits and . _ : -)`,
  });
}

interface Answer {
  readonly code: string;
  readonly summary: string;
  readonly remedy?: string;
}

/** An error of the protocol itself, whose status is fixed. */
class RequestRefused extends Error {
  readonly status: number;
  readonly answer: Answer;

  constructor(status: number, answer: Answer) {
    super(answer.summary);
    this.status = status;
    this.answer = answer;
  }
}

function answerTo(error: FastifyError | QuorateError | RequestRefused): {
  readonly status: number;
  readonly wire: object;
} {
  if (error instanceof RequestRefused) return { status: error.status, wire: error.answer };
  if (error instanceof QuorateError) return { status: statusOf(error), wire: toWireError(error) };
  const status = error.statusCode ?? 500;
  if (status < 500)
    return { status, wire: { code: status === 413 ? 'body-too-large' : 'invalid-request', summary: error.message } };
  const failure = asQuorateError(error, {
    code: 'agent-failed',
    kind: 'stalled',
    operation: 'answer a request',
    remedy: 'Look into the log of the agent.',
  });
  return { status: 500, wire: toWireError(failure) };
}
