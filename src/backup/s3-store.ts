import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Logger } from '../base/log.ts';
import type { S3Location } from '../base/store-url.ts';
import { checkKey, checkPrefix, isKey, maxSmallObjectBytes, maxStoredObjects } from './keys.ts';
import { wholeBody } from './s3-body.ts';
import { createS3Client, type S3Timeouts } from './s3-client.ts';
import { isAbsent, isConditionFailure, isUploadGone, s3Fault } from './s3-errors.ts';
import { abortUploads, StreamUpload } from './s3-upload.ts';
import type { ObjectStore, StoredObject, WriteCondition } from './store.ts';
import { objectNotFound, objectTooLarge, storeConflict, storeTooLarge, storeUnreachable } from './store-errors.ts';
import { watchFailure } from './watch-failure.ts';

export interface S3StoreOptions {
  readonly location: S3Location;
  /** Objects lie at `<prefix>/<cluster>/<key>`. */
  readonly cluster: string;
  readonly log: Logger;
  /** Default: 10 s until a connection stands, 60 s of silence. */
  readonly timeouts?: S3Timeouts | undefined;
}

/**
 * A backup store in an S3 bucket. Rejects with the codes of the folder store; the tag of an object is its ETag.
 * Opening it touches nothing; it rejects with `store-url-invalid` when the region is not known.
 */
export async function openS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  return new S3Store(await createS3Client(options.location, options.timeouts), options);
}

/** Header `x-amz-meta-quorate-write`: by it a writer knows its own work again. */
const writeToken = 'quorate-write';

class S3Store implements ObjectStore {
  readonly url: string;
  readonly #client: S3Client;
  readonly #location: S3Location;
  readonly #base: string;
  /** For messages. */
  readonly #place: string;
  readonly #log: Logger;

  constructor(client: S3Client, { location, cluster, log }: S3StoreOptions) {
    this.#client = client;
    this.#location = location;
    this.#base = `${location.prefix === '' ? '' : `${location.prefix}/`}${cluster}/`;
    this.#log = log;
    this.url = `s3://${location.bucket}/${this.#base.slice(0, -1)}`;
    this.#place = `s3://${location.bucket}${location.endpoint === undefined ? '' : ` at ${location.endpoint}`}`;
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    checkPrefix(prefix);
    return this.#do(`list the backup store below ${prefix === '' ? '/' : prefix}`, async (operation) => {
      const found: StoredObject[] = [];
      const where = { Bucket: this.#location.bucket, Prefix: this.#base + prefix };
      let token: string | undefined;
      do {
        const page: ListObjectsV2CommandOutput = await this.#client.send(
          new ListObjectsV2Command({ ...where, ContinuationToken: token }),
        );
        for (const { Key = '', Size } of page.Contents ?? []) {
          const key = Key.slice(this.#base.length);
          if (Key.startsWith(where.Prefix) && isKey(key)) found.push({ key, sizeBytes: Size ?? 0 });
          else this.#log.debug({ key: Key }, 'left out of the backup store: its name is not a key');
        }
        if (found.length > maxStoredObjects) throw storeTooLarge(operation, this.url);
        const isMore: boolean = page.IsTruncated === true;
        // Less than all would look as if backups were gone.
        if (isMore && (page.NextContinuationToken === undefined || page.NextContinuationToken === token))
          throw storeUnreachable(operation, 'the server breaks its list off', 'Look at the log of the server.');
        token = isMore ? page.NextContinuationToken : undefined;
      } while (token !== undefined);
      return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    });
  }

  async read(key: string): Promise<{ readonly content: string; readonly tag: string } | undefined> {
    checkKey(key);
    return this.#do(`read ${key} from the backup store`, async (operation) => {
      const found = await this.#get(key);
      if (found === undefined) return undefined;
      const stream = this.#bodyOf(found, operation);
      const { ContentLength: sizeBytes = 0, ETag: tag } = found;
      if (sizeBytes > maxSmallObjectBytes) {
        stream.destroy();
        throw objectTooLarge(operation, sizeBytes, maxSmallObjectBytes);
      }
      const body: AsyncIterable<Uint8Array> = stream;
      const parts: Uint8Array[] = [];
      for await (const part of body) parts.push(part);
      if (tag === undefined)
        throw storeUnreachable(operation, 'the server gave no ETag', 'See what stands between Quorate and the server.');
      return { content: Buffer.concat(parts).toString('utf8'), tag };
    });
  }

  async open(key: string): Promise<Readable> {
    checkKey(key);
    return this.#do(`open ${key} in the backup store`, async (operation) => {
      const found = await this.#get(key);
      if (found === undefined) throw objectNotFound(operation, key);
      return this.#bodyOf(found, operation);
    });
  }

  async write(key: string, content: string, condition?: WriteCondition): Promise<void> {
    checkKey(key);
    const bytes = Buffer.from(content);
    await this.#do(`write ${key} to the backup store`, async (operation) => {
      if (bytes.length > maxSmallObjectBytes) throw objectTooLarge(operation, bytes.length, maxSmallObjectBytes);
      const params = this.#paramsOf(key);
      try {
        await this.#client.send(new PutObjectCommand({ ...params, Body: bytes, ...headersOf(condition) }));
      } catch (error) {
        // With If-Match on an object that is gone, S3 says that it is not there.
        const hasGone = condition?.type === 'if-tag' && isAbsent(error);
        if (!isConditionFailure(error) && !hasGone) throw error;
        await this.#expectOwn(params, operation, hasGone ? `${key} is gone` : conflictOf(key, condition));
      }
    });
  }

  async writeStream(key: string, content: AsyncIterable<Uint8Array>): Promise<{ readonly sizeBytes: number }> {
    checkKey(key);
    const source = watchFailure(content);
    try {
      return await this.#do(`write ${key} to the backup store`, async (operation) => {
        const exists = `${key} exists already`;
        const params = this.#paramsOf(key);
        // Known before the first byte is taken. What counts is the condition at the end; servers that honour it on
        // single writes alone are left with this look, which is enough under a name that was claimed by such a write.
        if ((await this.#head(params)) !== undefined) throw storeConflict(operation, exists);
        const upload = new StreamUpload(this.#client, { ...params, IfNoneMatch: '*' });
        try {
          await upload.send(source.content);
        } catch (error) {
          // Or what was uploaded is gone, because an earlier attempt had finished it.
          if (!isConditionFailure(error) && !isUploadGone(error)) throw error;
          await this.#expectOwn(params, operation, exists);
        }
        return { sizeBytes: upload.sizeBytes };
      });
    } catch (error) {
      throw source.failure()?.reason ?? error;
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#do(`delete ${key} from the backup store`, async () => {
      try {
        await this.#client.send(new DeleteObjectCommand(this.#at(key)));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
  }

  async removeUnfinishedUploads(beforeMs: number): Promise<number> {
    return this.#do('remove unfinished uploads from the backup store', async () => {
      return abortUploads(this.#client, { Bucket: this.#location.bucket, Prefix: this.#base }, beforeMs);
    });
  }

  async #do<T>(operation: string, act: (operation: string) => Promise<T>): Promise<T> {
    try {
      return await act(operation);
    } catch (error) {
      throw s3Fault(error, operation, this.#place);
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#location.bucket, Key: this.#base + key };
  }

  #paramsOf(key: string) {
    const { sse, sseKmsKeyId } = this.#location;
    return {
      ...this.#at(key),
      Metadata: { [writeToken]: randomBytes(12).toString('hex') },
      ...(sse === undefined ? {} : { ServerSideEncryption: sse }),
      ...(sseKmsKeyId === undefined ? {} : { SSEKMSKeyId: sseKmsKeyId }),
    } satisfies Omit<PutObjectCommandInput, 'Body'>;
  }

  async #get(key: string): Promise<GetObjectCommandOutput | undefined> {
    try {
      return await this.#client.send(new GetObjectCommand(this.#at(key)));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  #bodyOf({ Body: body, ContentLength: sizeBytes }: GetObjectCommandOutput, operation: string): Readable {
    return wholeBody({ body, sizeBytes }, { operation, fault: (error) => s3Fault(error, operation, this.#place) });
  }

  /** The token of whoever wrote the object, '' when it was no Quorate; undefined when there is none. */
  async #head({ Bucket, Key }: { readonly Bucket: string; readonly Key: string }): Promise<string | undefined> {
    try {
      const found = await this.#client.send(new HeadObjectCommand({ Bucket, Key }));
      return found.Metadata?.[writeToken] ?? '';
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /**
   * A write whose answer was lost is sent again by the SDK and then finds its own object in its way. Such a write
   * has succeeded; to call it a conflict would leave a record that nobody believes to have written.
   */
  async #expectOwn(
    params: { readonly Bucket: string; readonly Key: string; readonly Metadata: Readonly<Record<string, string>> },
    operation: string,
    summary: string,
  ): Promise<void> {
    if ((await this.#head(params)) !== params.Metadata[writeToken]) throw storeConflict(operation, summary);
  }
}

function headersOf(condition: WriteCondition | undefined): Pick<PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'> {
  if (condition === undefined) return {};
  return condition.type === 'if-absent' ? { IfNoneMatch: '*' } : { IfMatch: condition.tag };
}

function conflictOf(key: string, condition: WriteCondition | undefined): string {
  return condition?.type === 'if-absent' ? `${key} exists already` : `${key} is not what was read before`;
}
