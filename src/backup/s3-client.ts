import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { QuorateError } from '../base/errors.ts';
import type { S3Location } from '../base/store-url.ts';

export interface S3Timeouts {
  /** Until a connection stands. */
  readonly connectTimeoutMs: number;
  /** Longest silence of a connection, in the middle of a request or of an answer. */
  readonly idleTimeoutMs: number;
}

/** A server that puts a large upload together may be silent for a while; one that is away is noticed at once. */
const usual: S3Timeouts = { connectTimeoutMs: 10_000, idleTimeoutMs: 60_000 };

/** The first and three more: with the SDK's back-off that is about a second of trouble, the rest is the caller's. */
const maxAttempts = 4;

/** With an endpoint of their own, most servers ignore the region and all take this one. */
const regionOfEndpoints = 'us-east-1';

/**
 * A client for one bucket. Credentials come from the SDK's own chain: environment, files, web identity, machine.
 * Rejects with `store-url-invalid` when nothing says in which region the bucket is.
 */
export async function createS3Client(location: S3Location, timeouts: S3Timeouts = usual): Promise<S3Client> {
  // The SDK would print a notice about the end of Node 20 in the middle of a command's output.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const config: S3ClientConfig = {
    ...(location.endpoint === undefined ? {} : { endpoint: location.endpoint }),
    forcePathStyle: location.pathStyle,
    maxAttempts,
    retryMode: 'standard',
    // The SDK's default adds a CRC-32 to every request, which many servers that are not Amazon's refuse or store as
    // part of the object. It is not missed: every archive is read back and its SHA-256 compared before it counts.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // It costs a new connection for every part, and six seconds each on servers that do not know it.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: timeouts.connectTimeoutMs, socketTimeout: timeouts.idleTimeoutMs },
  };
  if (location.region !== undefined) return new S3Client({ ...config, region: location.region });
  const client = new S3Client(config);
  try {
    await client.config.region();
    return client;
  } catch (error) {
    client.destroy();
    if (location.endpoint !== undefined) return new S3Client({ ...config, region: regionOfEndpoints });
    throw new QuorateError({
      code: 'store-url-invalid',
      kind: 'invalid',
      operation: `open the backup store s3://${location.bucket}`,
      summary: 'nothing says in which region the bucket is',
      remedy: 'Add ?region=… to the URL, or set AWS_REGION where Quorate runs.',
      cause: error,
    });
  }
}
