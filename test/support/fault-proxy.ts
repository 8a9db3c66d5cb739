import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as requestOf,
  type ServerResponse,
} from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Duplex, pipeline, Transform, type Writable } from 'node:stream';
import { type SigningKey, signAgain } from './sign-s3.ts';

export interface ProxiedRequest {
  /** Empty for connections that are not spoken HTTP on. */
  readonly method: string;
  /** With its query, as the client wrote it. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** Switches that a test may turn at any time; those that are not `away` hit what begins afterwards. */
export interface ProxyFaults {
  /** True: connections are reset at once, those that stand and new ones. */
  away: boolean;
  /** The faults below hit only requests for which it holds; default: all. Not asked for raw connections. */
  concerns: (request: ProxiedRequest) => boolean;
  /** How many more requests (or raw connections) they hit; default: infinitely many. */
  times: number;
  /** Cuts the connection when that many bytes of the request's body (raw: from the client) have been passed on. */
  cutRequestAfterBytes: number | undefined;
  /** Cuts it when that many bytes of the answer's body (raw: from the server) have been passed on. */
  cutResponseAfterBytes: number | undefined;
  /** Speed of each body, in each direction. */
  bytesPerSecond: number | undefined;
  /** Answers with that status, in the way of S3, without asking the server. HTTP only. */
  answerStatus: number | undefined;
  /** Does the request at the server, then drops its answer and cuts the connection. HTTP only. */
  dropAnswer: boolean;
  /**
   * Headers of requests that the server never sees, in lower case. HTTP only. Before an S3 server it needs
   * `signingKey`, because the server would notice: the client had signed them.
   */
  stripHeaders: readonly string[];
  /** Which byte of the answer's body is altered. */
  alterResponseByte: number | undefined;
}

export interface FaultProxy {
  /** `http://127.0.0.1:40001`, or `tcp://…` */
  readonly url: string;
  readonly port: number;
  readonly faults: ProxyFaults;
  /** Every request so far; bounded to the last 10 000. */
  readonly requests: readonly (ProxiedRequest & { readonly wasHit: boolean })[];
  /** Switches all faults off. */
  heal(): void;
  stop(): Promise<void>;
}

const maxRequests = 10_000;

function noFaults(): ProxyFaults {
  return {
    away: false,
    concerns: () => true,
    times: Number.POSITIVE_INFINITY,
    cutRequestAfterBytes: undefined,
    cutResponseAfterBytes: undefined,
    bytesPerSecond: undefined,
    answerStatus: undefined,
    dropAnswer: false,
    stripHeaders: [],
    alterResponseByte: undefined,
  };
}

/**
 * A proxy on the loopback in front of any server: `http://host:port` is understood and passed on request by request,
 * `tcp://host:port` byte by byte, so that TLS goes through.
 */
export async function startFaultProxy(options: {
  readonly target: string;
  readonly signingKey?: SigningKey | undefined;
}): Promise<FaultProxy> {
  const target = new URL(options.target);
  const isHttp = target.protocol === 'http:';
  const state = noFaults();
  const sockets = new Set<Duplex>();
  const requests: (ProxiedRequest & { readonly wasHit: boolean })[] = [];

  const keep = (socket: Duplex): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  };
  const resetAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const faults: ProxyFaults = Object.defineProperty(state, 'away', {
    get: () => isAway,
    set: (value: boolean) => {
      isAway = value;
      if (value) resetAll();
    },
  });
  let isAway = false;

  /** The faults that hit this one; what is not concerned goes through whole. */
  const faultsOf = (request: ProxiedRequest): ProxyFaults => {
    const wasHit = state.times > 0 && state.concerns(request);
    if (wasHit) state.times--;
    requests.push({ ...request, wasHit });
    if (requests.length > maxRequests) requests.shift();
    return wasHit ? { ...state } : noFaults();
  };

  const passHttp = (request: IncomingMessage, response: ServerResponse): void => {
    const asked = { method: request.method ?? '', path: request.url ?? '', headers: request.headers };
    const hit = faultsOf(asked);
    if (hit.answerStatus !== undefined) return answer(request, response, hit.answerStatus);
    const kept: Readonly<Record<string, string>> = Object.fromEntries(
      Object.entries(request.headers)
        .filter(([name]) => !hit.stripHeaders.includes(name))
        .map(([name, value]) => [name, String(value)]),
    );
    const mustSign = options.signingKey !== undefined && hit.stripHeaders.length > 0;
    const headers = mustSign ? signAgain(asked, kept, options.signingKey) : kept;
    // A message has no socket any more once that is gone.
    const { socket } = request;
    const cut = (): void => {
      socket.destroy();
      upstream.destroy();
    };
    const { hostname: host, port } = target;
    const upstream = requestOf({ host, port, method: asked.method, path: asked.path, headers, agent: false });
    upstream.on('error', cut);
    upstream.on('socket', keep);
    upstream.on('response', (answered) => {
      if (hit.dropAnswer) {
        answered.resume().once('end', cut);
        return;
      }
      response.writeHead(answered.statusCode ?? 502, answered.rawHeaders);
      pass(
        answered,
        response,
        { ...hit, cutAfterBytes: hit.cutResponseAfterBytes, alterByte: hit.alterResponseByte },
        cut,
      );
    });
    response.on('close', () => upstream.destroy());
    pass(request, upstream, { ...hit, cutAfterBytes: hit.cutRequestAfterBytes }, cut);
  };

  const passRaw = (socket: Socket): void => {
    const hit = faultsOf({ method: '', path: '', headers: {} });
    const upstream = connect({ host: target.hostname, port: Number(target.port) });
    keep(upstream);
    const cut = (): void => {
      socket.destroy();
      upstream.destroy();
    };
    pass(socket, upstream, { ...hit, cutAfterBytes: hit.cutRequestAfterBytes }, cut);
    pass(upstream, socket, { ...hit, cutAfterBytes: hit.cutResponseAfterBytes, alterByte: hit.alterResponseByte }, cut);
  };

  const http = createHttpServer(passHttp);
  const server: Server = createServer((socket) => {
    keep(socket);
    if (isAway) socket.resetAndDestroy();
    else if (isHttp) http.emit('connection', socket);
    else passRaw(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `${isHttp ? 'http' : 'tcp'}://127.0.0.1:${port}`,
    port,
    faults,
    requests,
    heal: () => void Object.assign(faults, noFaults()),
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      resetAll();
      await closed;
    },
  };
}

interface PassOptions {
  readonly bytesPerSecond: number | undefined;
  readonly cutAfterBytes: number | undefined;
  readonly alterByte?: number | undefined;
}

/** Passes one direction on; the end goes on too, and a failure of either side cuts both. */
function pass(from: IncomingMessage | Socket, to: Writable, options: PassOptions, cut: () => void): void {
  let passedBytes = 0;
  const faulty = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const { cutAfterBytes, bytesPerSecond, alterByte } = options;
      const offset = alterByte === undefined ? -1 : alterByte - passedBytes;
      const isAltered = offset >= 0 && offset < chunk.length;
      const bytes = isAltered ? Buffer.from(chunk) : chunk;
      if (isAltered) bytes[offset] = (bytes[offset] ?? 0) ^ 0x01;
      const left = cutAfterBytes === undefined ? Number.POSITIVE_INFINITY : cutAfterBytes - passedBytes;
      passedBytes += bytes.length;
      if (left <= bytes.length) {
        this.push(bytes.subarray(0, left));
        // What was pushed is to leave before the connection is gone.
        setImmediate(cut);
        return;
      }
      if (bytesPerSecond === undefined) return done(null, bytes);
      setTimeout(() => done(null, bytes), (bytes.length / bytesPerSecond) * 1000).unref();
    },
  });
  pipeline(from, faulty, to, (error) => {
    if (error !== undefined && error !== null) cut();
  });
}

const names: Readonly<Record<number, string>> = { 403: 'AccessDenied', 503: 'SlowDown', 507: 'InsufficientStorage' };

function answer(request: IncomingMessage, response: ServerResponse, status: number): void {
  const code = names[status] ?? 'InternalError';
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>by the proxy</Message></Error>`;
  // The body is taken first: a client that is still sending would see a broken connection instead of the answer.
  request.resume().once('end', () => {
    response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
}
