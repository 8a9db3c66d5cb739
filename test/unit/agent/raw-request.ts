import { request as httpsRequest, type RequestOptions } from 'node:https';
import { TLSSocket } from 'node:tls';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly isResumed: boolean;
}

/** A request without our client, so that what the client would never send can be sent. */
export function send(base: string, path: string, options: RequestOptions, body?: string): Promise<Answer> {
  const url = new URL(base);
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: url.hostname, port: url.port, path, agent: false, ...options }, (response) => {
      const { socket } = response;
      const isResumed = socket instanceof TLSSocket && socket.isSessionReused();
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), isResumed });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}
