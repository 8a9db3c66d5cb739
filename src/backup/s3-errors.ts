import { describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import { storeDenied, storeFull, storeUnreachable } from './store-errors.ts';

/** What can be seen of an error of the SDK: the server's code, or the name of what went wrong here, and the status. */
interface SeenFault {
  readonly name: string;
  readonly status: number | undefined;
}

function seenFault(error: unknown): SeenFault {
  const name = error instanceof Error ? error.name : '';
  const metadata: unknown = error instanceof Error && '$metadata' in error ? error.$metadata : undefined;
  const hasStatus = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  const status = hasStatus ? metadata.httpStatusCode : undefined;
  return { name, status: typeof status === 'number' ? status : undefined };
}

/** The condition of a write did not hold, or another write was under way at the same time. */
export function isConditionFailure(error: unknown): boolean {
  const { name, status } = seenFault(error);
  return status === 412 || status === 409 || name === 'PreconditionFailed' || name === 'ConditionalRequestConflict';
}

/** The object is not there. A missing bucket is another matter: it must never look like an empty one. */
export function isAbsent(error: unknown): boolean {
  const { name, status } = seenFault(error);
  return name === 'NoSuchKey' || (status === 404 && name !== 'NoSuchBucket' && name !== 'NoSuchUpload');
}

export function isUploadGone(error: unknown): boolean {
  return seenFault(error).name === 'NoSuchUpload';
}

export function isNotImplemented(error: unknown): boolean {
  const { name, status } = seenFault(error);
  return status === 501 || name === 'NotImplemented';
}

interface Rule {
  readonly holds: (fault: SeenFault) => boolean;
  readonly make: typeof storeDenied;
  readonly seen: string;
  readonly remedy: string;
}

const permissions = 's3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject';

/** The first that holds counts; several servers say 403 where a quota or the clock is the trouble. */
const rules: readonly Rule[] = [
  {
    holds: ({ name }) => name === 'NoSuchBucket',
    make: storeUnreachable,
    seen: 'the bucket does not exist',
    remedy: 'Create the bucket or correct `backup.store`; Quorate makes none by itself.',
  },
  {
    holds: ({ name }) => /^(RequestTimeTooSkewed|RequestExpired|RequestInTheFuture)$/.test(name),
    make: storeDenied,
    seen: 'the clock of this machine and that of the server differ too much',
    remedy: 'Correct the clock (timedatectl, chrony); S3 allows 15 minutes.',
  },
  {
    holds: ({ name, status }) =>
      status === 301 || /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocation)/.test(name),
    make: storeDenied,
    seen: 'the bucket is in another region, or the server has another address',
    remedy: 'Correct region=… (and endpoint=…) in `backup.store`.',
  },
  {
    holds: ({ name }) => /Credentials?ProviderError|TokenProviderError/.test(name),
    make: storeDenied,
    seen: 'no credentials were found',
    remedy:
      'Give the user that Quorate runs as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a file ~/.aws/credentials, or the machine a role.',
  },
  {
    holds: ({ name }) =>
      /^(ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|TokenRefresh)/.test(name),
    make: storeDenied,
    seen: 'the server does not accept the credentials',
    remedy: 'Renew the credentials where Quorate runs (environment, ~/.aws, or the role of the machine).',
  },
  {
    holds: ({ name }) => /^KMS|kms/.test(name),
    make: storeDenied,
    seen: 'the key for encryption could not be used',
    remedy: 'Check sseKmsKeyId in `backup.store`, and that the credentials may use the key.',
  },
  {
    holds: ({ name }) => name === 'InvalidObjectState',
    make: storeDenied,
    seen: 'the object was moved to an archive and cannot be read at once',
    remedy: 'Bring it back from the archive, and take the rule that moves backups off the bucket.',
  },
  {
    holds: ({ name, status }) => status === 401 || status === 403 || /^(AccessDenied|Forbidden)/.test(name),
    make: storeDenied,
    seen: 'the server refused access',
    remedy: `Check which credentials Quorate runs with, and that they allow ${permissions}.`,
  },
  {
    holds: isNotImplementedFault,
    make: storeDenied,
    seen: 'the server does not know the request',
    remedy:
      'Leave sse out of `backup.store` if the server cannot encrypt; else use a server that knows multipart uploads and conditional writes, or a folder.',
  },
];

function isNotImplementedFault({ name, status }: SeenFault): boolean {
  return status === 501 || name === 'NotImplemented';
}

const noTrust = /^(DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|CERT_|ERR_TLS_)/;

/**
 * Turns an error of the SDK into a store error; a QuorateError passes unchanged. Without the error as its cause:
 * that carries the request, which was signed.
 */
export function s3Fault(error: unknown, operation: string, place: string): QuorateError {
  if (error instanceof QuorateError) return error;
  const fault = seenFault(error);
  const status = fault.status === undefined ? '' : `${fault.status} `;
  const said = redact(`${status}${fault.name}: ${describeError(error)}`).slice(0, 500);
  if (fault.status === 507 || /quota|storagefull|insufficientstorage/i.test(fault.name))
    return storeFull(operation, `no space left in ${place} (${said})`);
  const rule = rules.find(({ holds }) => holds(fault));
  if (rule !== undefined) return rule.make(operation, `${rule.seen}: ${place} (${said})`, rule.remedy);
  if (noTrust.test(systemErrorCode(error) ?? '')) {
    return storeUnreachable(
      operation,
      `the certificate of ${place} is not trusted (${said})`,
      'Name the file of its authority in NODE_EXTRA_CA_CERTS, where Quorate runs.',
    );
  }
  return storeUnreachable(
    operation,
    `${place} did not do it (${said})`,
    'See whether the server answers from here; what was going on is tried again later.',
  );
}
