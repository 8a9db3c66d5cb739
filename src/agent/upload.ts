import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { archiveHashHeader, backupHeader, type StageSnapshotRequest } from './wire.ts';
import { snapshotHeaders } from './wire-schemas.ts';

/** For the sender to read why it was turned away before its connection is cut. */
const drainMs = 5000;

/** Takes an archive that is still on its way; rejects without having read it to its end when that is of no use. */
type TakeUpload = (
  request: FastifyRequest,
  cluster: string,
  upload: StageSnapshotRequest,
  archive: AsyncIterable<Uint8Array>,
) => Promise<void>;

/** `PUT …/snapshot`, the one request whose body is a stream and may take hours. */
export function addUploadRoute(server: FastifyInstance, pathSchema: object, take: TakeUpload): void {
  // In a scope of its own, so that no other path takes a body that is not JSON.
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('application/gzip', (_request, payload, done) => done(null, payload));
    scope.put<{ Params: { cluster: string } }>(
      '/v1/clusters/:cluster/snapshot',
      { schema: { params: pathSchema, headers: snapshotHeaders }, bodyLimit: Number.MAX_SAFE_INTEGER },
      async (request) => {
        const body = request.raw;
        const hash = request.headers[archiveHashHeader];
        const upload = {
          backup: String(request.headers[backupHeader]),
          sha256: typeof hash === 'string' ? hash : null,
        };
        // From here on its silence is bounded, not its length.
        clearTimeout(bounds.get(body));
        try {
          // Leaving the loop early must not end the connection: the answer still has to go out on it.
          await take(request, request.params.cluster, upload, {
            [Symbol.asyncIterator]: () => body.iterator({ destroyOnReturn: false }),
          });
        } finally {
          if (!body.complete) {
            // A sender that is cut off in mid-sentence does not hear the answer.
            body.resume();
            boundArrival(body, drainMs);
          }
        }
        return {};
      },
    );
  });
}

const bounds = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/** Cuts the connection of a request whose body has not arrived in time; counts anew when it is called again. */
export function boundArrival(body: IncomingMessage, timeoutMs: number): void {
  clearTimeout(bounds.get(body));
  const timer = setTimeout(() => {
    if (!body.complete) body.socket.destroy();
  }, timeoutMs);
  timer.unref();
  bounds.set(body, timer);
  body.once('close', () => clearTimeout(timer));
}
