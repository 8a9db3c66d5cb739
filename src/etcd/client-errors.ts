import { describeError, type ErrorKind, QuorateError } from '../base/errors.ts';
import { readableOpenssl } from '../base/openssl-text.ts';

interface KnownAnswer {
  /** What etcd says after `etcdserver: `, in full or, with `…` at the end, up to there. */
  readonly says: string;
  readonly code: string;
  readonly kind: ErrorKind;
  readonly remedy?: string;
}

/** The answers of `rpctypes/error.go` that a caller may branch on. The same text from 3.4 to 3.7. */
const knownAnswers: readonly KnownAnswer[] = [
  { says: 'no leader', code: 'etcd-no-leader', kind: 'transient' },
  { says: 'not leader', code: 'not-leader', kind: 'transient' },
  { says: 'leader changed', code: 'etcd-leader-changed', kind: 'transient' },
  {
    says: 'can only promote a learner member which is in sync with leader',
    code: 'learner-not-ready',
    kind: 'waiting',
  },
  { says: 'can only promote a learner member', code: 'member-not-learner', kind: 'transient' },
  { says: 'member not found', code: 'member-not-found', kind: 'transient' },
  { says: 'Peer URLs already exists', code: 'peer-url-exists', kind: 'transient' },
  // The id of an added member is a hash of its peer URLs and the second: a repeated add meets this at first.
  { says: 'member ID already exist', code: 'peer-url-exists', kind: 'transient' },
  { says: 'too many learner members in cluster', code: 'too-many-learners', kind: 'waiting' },
  { says: 'rpc not supported for learner', code: 'learner-cannot-serve', kind: 'transient' },
  { says: 'bad leader transferee', code: 'bad-leader-transferee', kind: 'transient' },
  {
    says: 'unhealthy cluster',
    code: 'unhealthy-cluster',
    kind: 'waiting',
    remedy: 'Bring back or remove the members that are away; etcd wants a quorum connected for five seconds.',
  },
  {
    says: 're-configuration failed due to not enough started members',
    code: 'unhealthy-cluster',
    kind: 'waiting',
    remedy: 'Start or remove the members that have not started.',
  },
  { says: 'request timed out…', code: 'etcd-timeout', kind: 'transient' },
  { says: 'context deadline exceeded', code: 'etcd-timeout', kind: 'transient' },
  { says: 'server stopped', code: 'etcd-stopping', kind: 'transient' },
  { says: 'too many requests', code: 'etcd-busy', kind: 'transient' },
  { says: 'requested lease not found', code: 'lease-not-found', kind: 'transient' },
  { says: 'lease already exists', code: 'lease-exists', kind: 'transient' },
  { says: 'key not found', code: 'key-not-found', kind: 'transient' },
  {
    says: 'too many operations in txn request',
    code: 'too-many-operations',
    kind: 'invalid',
    remedy: 'Ask for fewer in one transaction, or raise max-txn-ops of that etcd.',
  },
  {
    says: 'request is too large',
    code: 'request-too-large',
    kind: 'stalled',
    remedy: 'Raise max-request-bytes of that etcd.',
  },
  // Said by grpc-js: the bytes stayed below max-request-bytes one by one, and did not together.
  { says: 'Received message larger than max…', code: 'answer-too-large', kind: 'invalid' },
  { says: 'permission denied', code: 'permission-denied', kind: 'stalled' },
  { says: 'user name is empty', code: 'permission-denied', kind: 'stalled' },
  { says: 'user name not found', code: 'permission-denied', kind: 'stalled' },
  { says: 'invalid auth token', code: 'permission-denied', kind: 'stalled' },
  { says: 'mvcc: required revision has been compacted', code: 'revision-compacted', kind: 'transient' },
  { says: 'mvcc: required revision is a future revision', code: 'revision-in-future', kind: 'transient' },
  {
    says: 'mvcc: database space exceeded',
    code: 'etcd-no-space',
    kind: 'stalled',
    remedy: 'Compact and defragment, or raise quota-backend-bytes, then disarm the NOSPACE alarm.',
  },
  {
    says: 'corrupt cluster',
    code: 'etcd-corrupt',
    kind: 'stalled',
    remedy: 'Find the member whose data differs and replace it; the CORRUPT alarm is never disarmed by itself.',
  },
];

/**
 * What grpc-js says, for people: it ends with an empty note about how it found the address, tells of
 * its balancer when time is up, and quotes OpenSSL.
 */
function readable({ code, details }: GrpcStatus): string {
  const late = code === grpcDeadlineExceeded ? /^Deadline exceeded after ([0-9.]+s)/.exec(details) : null;
  if (late !== null) return `gave no answer within ${late[1]}`;
  return `says: ${readableOpenssl(details.replace(/\. Resolution note: *$/, ''))}`;
}

/** The status alone. The error of grpc-js repeats its details in its message, and those are in the summary. */
class GrpcFailure extends Error implements GrpcStatus {
  readonly code: number;
  readonly details: string;

  constructor(status: GrpcStatus, message: string) {
    super(message);
    this.name = 'GrpcFailure';
    this.code = status.code;
    this.details = status.details;
  }
}

/** The parts of a gRPC status that matter here. */
interface GrpcStatus {
  readonly code: number;
  readonly details: string;
}

const grpcCancelled = 1;
const grpcDeadlineExceeded = 4;
const grpcPermissionDenied = 7;
const grpcUnavailable = 14;
const grpcUnauthenticated = 16;

/** Anything thrown by a call to `endpoint` as a QuorateError with a code of this layer. */
export function etcdError(error: unknown, operation: string, endpoint: string): QuorateError {
  if (error instanceof QuorateError) return error;
  const status = grpcStatus(error);
  if (status === undefined)
    return new QuorateError({
      code: 'etcd-error',
      kind: 'transient',
      operation,
      summary: `${endpoint}: ${describeError(error)}`,
      cause: error,
    });
  const answer = knownAnswer(status) ?? byGrpcCode(status);
  const said = readable(status);
  return new QuorateError({
    ...answer,
    operation,
    summary: `${endpoint} ${said}`,
    cause: new GrpcFailure(status, said),
  });
}

function knownAnswer({ details }: GrpcStatus): Omit<KnownAnswer, 'says'> | undefined {
  const text = details.replace(/^etcdserver: /, '').trim();
  const found = knownAnswers.find(({ says }) =>
    says.endsWith('…') ? text.startsWith(says.slice(0, -1)) : text === says,
  );
  if (found === undefined) return undefined;
  const { says: _says, ...answer } = found;
  return answer;
}

function byGrpcCode({ code, details }: GrpcStatus): Omit<KnownAnswer, 'says'> {
  if (code === grpcDeadlineExceeded) return { code: 'etcd-timeout', kind: 'transient' };
  if (code === grpcCancelled) return { code: 'etcd-cancelled', kind: 'transient' };
  if (code === grpcPermissionDenied || code === grpcUnauthenticated)
    return { code: 'permission-denied', kind: 'stalled' };
  if (code !== grpcUnavailable || details.startsWith('etcdserver:')) return { code: 'etcd-error', kind: 'transient' };
  const tells = /certificate|self-signed|altnames|SSL|TLS|alert/i.test(details);
  const remedy = tells ? 'Compare the authorities and names in the certificates of both sides.' : undefined;
  return { code: 'etcd-unreachable', kind: 'transient', ...(remedy === undefined ? {} : { remedy }) };
}

/** Whether the connection, rather than etcd, failed: it is not to be used again. */
export function isConnectionFailure(error: unknown): boolean {
  const status = grpcStatus(error);
  if (status === undefined) return false;
  return (
    status.code === grpcDeadlineExceeded ||
    (status.code === grpcUnavailable && !status.details.startsWith('etcdserver:'))
  );
}

/**
 * Whether a request surely had no effect, so that a change may be asked of another endpoint. etcd
 * itself gave one of the first answers; grpc-js reports the others before it sends anything.
 */
export function surelyHadNoEffect(error: QuorateError): boolean {
  if (['etcd-no-leader', 'learner-cannot-serve'].includes(error.code)) return true;
  if (error.code !== 'etcd-unreachable') return false;
  const details = grpcStatus(error.cause)?.details ?? 'No connection established';
  return details.startsWith('No connection established') || details.startsWith('Name resolution failed');
}

function grpcStatus(error: unknown): GrpcStatus | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('details' in error)) return undefined;
  const { code, details } = error;
  return typeof code === 'number' && typeof details === 'string' ? { code, details } : undefined;
}
