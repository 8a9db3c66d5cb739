import { formatTime } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { checkCertificateNames, leafValidity, makeLeaf, publicKeyOfCsr, type Signer } from './issue.ts';
import type { Authority, LeafRequest } from './keystore.ts';

/**
 * Signs the leaf of a member or a client: server and client usage, backdated, ending no later than its
 * authority. Gives PEM. Throws `csr-invalid`, `name-invalid`, `authority-expired`.
 */
export async function signRequest(
  signer: Signer,
  authority: Authority,
  request: LeafRequest,
  nowMs: number,
  serial?: Uint8Array,
): Promise<string> {
  checkCertificateNames(request.commonName, request.sans);
  const publicKey = await publicKeyOfCsr(request.csr);
  const validity = leafValidity(nowMs, request.validityMs, authority);
  if (nowMs < authority.notBeforeMs || validity.notAfterMs <= nowMs) {
    throw new QuorateError({
      code: 'authority-expired',
      kind: 'stalled',
      operation: `issue certificate for ${request.commonName}`,
      summary: `authority ${authority.name} is valid from ${formatTime(authority.notBeforeMs)} to ${formatTime(authority.notAfterMs)} and it is ${formatTime(nowMs)} now, so nobody would accept its leaves`,
      remedy: 'Check the clock of this machine; else commit a rotation to a new authority.',
    });
  }
  return makeLeaf(signer, {
    commonName: request.commonName,
    sans: request.sans,
    usages: ['server', 'client'],
    publicKey,
    serial,
    ...validity,
  });
}
