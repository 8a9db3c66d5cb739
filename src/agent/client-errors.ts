import { describeError, QuorateError, systemErrorCode } from '../base/errors.ts';

/** Codes by which TLS says no, on either side: trying again does not help. */
const tlsRefusal = /^(ERR_SSL_|ERR_TLS_CERT|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;

/** What is wrong when no answer came: `agent-refused` (TLS) or `agent-unreachable` (everything else). */
export function connectionError(error: unknown, operation: string, timedOutMs: number | undefined): QuorateError {
  // Reading our own certificate has its own code and remedy.
  if (error instanceof Error && error.cause instanceof QuorateError) return error.cause;
  const code = systemErrorCode(error);
  if (code !== undefined && tlsRefusal.test(code)) {
    return new QuorateError({
      code: 'agent-refused',
      kind: 'stalled',
      operation,
      summary: `agent and controller do not accept each other's certificates: ${describeError(error)}`,
      remedy:
        'Check on both sides that the certificate is in date, signed by the CA of the fleet, and names the address that is dialled.',
      cause: error,
    });
  }
  return new QuorateError({
    code: 'agent-unreachable',
    kind: 'transient',
    operation,
    summary: timedOutMs === undefined ? `no answer: ${describeError(error)}` : `no answer within ${timedOutMs} ms`,
    remedy: 'Check that the agent runs and that its port can be reached.',
    cause: error,
  });
}

/** Something answered, but not as an agent does. */
export function agentRefused(operation: string, summary: string): QuorateError {
  return new QuorateError({
    code: 'agent-refused',
    kind: 'stalled',
    operation,
    summary,
    remedy: 'Check that the address is that of the agent of this host, and that both are of one version.',
  });
}
