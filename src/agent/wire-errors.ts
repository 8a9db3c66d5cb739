import { type ErrorKind, QuorateError } from '../base/errors.ts';

/** Body of every answer that is not a success. */
export interface WireError {
  readonly code: string;
  readonly summary: string;
  readonly remedy?: string | undefined;
}

/** One status for each kind, so that the kind survives the way. */
const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  refused: 409,
  waiting: 423,
  transient: 503,
  stalled: 500,
};

export function statusOf(error: QuorateError): number {
  return statusOfKind[error.kind];
}

export function toWireError(error: QuorateError): WireError {
  return {
    code: error.code,
    summary: error.summary,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  };
}

/** Turns an answer back into the error that the agent threw. */
export function fromWireError(status: number, body: unknown, operation: string): QuorateError {
  const kind = kindOfStatus(status);
  if (!isWireError(body)) {
    return new QuorateError({
      code: 'agent-refused',
      kind,
      operation,
      summary: `the agent answered with status ${status} and without saying why`,
      remedy: 'Check that the address is that of an agent of this version.',
    });
  }
  return new QuorateError({ code: body.code, kind, operation, summary: body.summary, remedy: body.remedy });
}

function kindOfStatus(status: number): ErrorKind {
  for (const [kind, candidate] of Object.entries(statusOfKind)) if (candidate === status) return kind as ErrorKind;
  if (status === 429 || status === 408) return 'transient';
  if (status === 403) return 'stalled';
  return status < 500 ? 'invalid' : 'stalled';
}

function isWireError(body: unknown): body is WireError {
  return (
    typeof body === 'object' &&
    body !== null &&
    'code' in body &&
    typeof body.code === 'string' &&
    'summary' in body &&
    typeof body.summary === 'string' &&
    (!('remedy' in body) || typeof body.remedy === 'string')
  );
}
