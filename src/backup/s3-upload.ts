import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { isNotImplemented, isUploadGone } from './s3-errors.ts';

/**
 * S3 allows 10 000 parts of one object: 78 GiB of compressed database, ten times what etcd can carry. In memory are
 * three parts under way, one that is being filled, and its copy: about 40 MiB whatever the size.
 */
const partSizeBytes = 8 * 1024 * 1024;
const partsAtOnce = 3;

/** Uploads listed in one sweep: far more than failures ever leave in a day. */
const maxUploads = 20_000;

/**
 * Streams one object of unknown size, in one piece if it is smaller than a part. When `send` rejects, the parts were
 * removed, or could not be and are swept later.
 */
export class StreamUpload {
  readonly #client: S3Client;
  readonly #params: Omit<PutObjectCommandInput, 'Body'>;
  /** Taken from the source so far. */
  sizeBytes = 0;

  constructor(client: S3Client, params: Omit<PutObjectCommandInput, 'Body'>) {
    this.#client = client;
    this.#params = params;
  }

  async send(content: AsyncIterable<Uint8Array>): Promise<void> {
    const body = Readable.from(this.#counted(content), { highWaterMark: 1 });
    try {
      const upload = new Upload({
        client: this.#client,
        params: { ...this.#params, Body: body },
        partSize: partSizeBytes,
        queueSize: partsAtOnce,
      });
      await upload.done();
    } finally {
      body.destroy();
    }
  }

  async *#counted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      this.sizeBytes += chunk.byteLength;
      yield chunk;
    }
  }
}

/** Aborts the multipart uploads below a prefix that were begun before that moment; gives how many. */
export async function abortUploads(
  client: S3Client,
  where: { readonly Bucket: string; readonly Prefix: string },
  beforeMs: number,
): Promise<number> {
  let aborted = 0;
  let seen = 0;
  let marker: Pick<ListMultipartUploadsCommandOutput, 'NextKeyMarker' | 'NextUploadIdMarker'> = {};
  do {
    const page = await listPage(client, where, marker);
    if (page === undefined) return aborted;
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      seen++;
      if (Key === undefined || UploadId === undefined || Initiated === undefined) continue;
      if (!Key.startsWith(where.Prefix) || Initiated.getTime() >= beforeMs) continue;
      try {
        await client.send(new AbortMultipartUploadCommand({ Bucket: where.Bucket, Key, UploadId }));
        aborted++;
      } catch (error) {
        // Somebody else was faster, or it was finished.
        if (!isUploadGone(error)) throw error;
      }
    }
    if (page.IsTruncated !== true || page.NextKeyMarker === undefined) return aborted;
    // A server that gives the same page again would never come to an end.
    if (page.NextKeyMarker === marker.NextKeyMarker && page.NextUploadIdMarker === marker.NextUploadIdMarker)
      return aborted;
    marker = page;
  } while (seen < maxUploads);
  return aborted;
}

/** Undefined on servers that do not know the request: they clear away by themselves or have no parts. */
async function listPage(
  client: S3Client,
  where: { readonly Bucket: string; readonly Prefix: string },
  {
    NextKeyMarker,
    NextUploadIdMarker,
  }: Pick<ListMultipartUploadsCommandOutput, 'NextKeyMarker' | 'NextUploadIdMarker'>,
): Promise<ListMultipartUploadsCommandOutput | undefined> {
  try {
    return await client.send(
      new ListMultipartUploadsCommand({ ...where, KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }),
    );
  } catch (error) {
    if (isNotImplemented(error)) return undefined;
    throw error;
  }
}
