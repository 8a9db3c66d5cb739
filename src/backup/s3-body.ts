import { Readable } from 'node:stream';
import type { QuorateError } from '../base/errors.ts';
import { storeUnreachable } from './store-errors.ts';

export interface S3Body {
  readonly body: unknown;
  /** As the server announced it. */
  readonly sizeBytes: number | undefined;
}

export interface BodyContext {
  readonly operation: string;
  readonly fault: (error: unknown) => QuorateError;
}

/**
 * The stream of an answer that ends only when all of it has come: a connection that breaks off is an error, never
 * an early end. Rejects at once when the server does not announce the length, for then nobody could tell.
 */
export function wholeBody({ body, sizeBytes }: S3Body, { operation, fault }: BodyContext): Readable {
  if (!(body instanceof Readable) || sizeBytes === undefined) {
    if (body instanceof Readable) body.destroy();
    throw storeUnreachable(
      operation,
      'the server does not say how long the object is, so that its end cannot be told from a broken connection',
      'See what stands between Quorate and the server: something that compresses or rewrites answers must not.',
    );
  }
  async function* checked(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let seenBytes = 0;
    try {
      for await (const chunk of source) {
        seenBytes += chunk.byteLength;
        yield chunk;
      }
    } catch (error) {
      throw fault(error);
    }
    if (seenBytes === sizeBytes) return;
    throw storeUnreachable(
      operation,
      `it broke off after ${seenBytes} of ${sizeBytes} bytes`,
      'See whether the connection to the server is sound; nothing incomplete was used.',
    );
  }
  const whole = Readable.from(checked(body), { objectMode: false, highWaterMark: 256 * 1024 });
  // A stream that is given up before its first byte never gets into the generator.
  whole.once('close', () => body.destroy());
  return whole;
}
