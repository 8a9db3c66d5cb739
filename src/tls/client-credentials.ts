import type { Clock } from '../base/clock.ts';
import type { ClientCredentials, Keystore } from './keystore.ts';
import { authorityNotFound } from './keystore-names.ts';
import { createKeyAndCsr, parseCertificate } from './leaf.ts';

export interface ClientCredentialsRequest {
  readonly keystore: Keystore;
  readonly cluster: string;
  /** Names of the authorities whose servers are accepted: `trust` of the client domain. */
  readonly trust: readonly string[];
  /** Name of the authority that signs: `issue` of the client domain. */
  readonly issue: string;
  readonly clock: Clock;
  /** Default `quorate-controller`. With authentication switched on in etcd, it is the user. */
  readonly commonName?: string | undefined;
  /** Default one day; never beyond the authority. */
  readonly validityMs?: number | undefined;
}

export interface IssuedCredentials extends ClientCredentials {
  /** Half of its life: from then on the caller asks for new ones. Milliseconds since the epoch. */
  readonly renewAtMs: number;
  readonly notAfterMs: number;
}

const dayMs = 24 * 3_600_000;

/**
 * A short-lived client certificate for one cluster, and the authorities to trust. Kept in memory, never
 * on disk; without alternative names, so that it serves nobody as a server.
 * Throws `authority-not-found` and what `issueLeaf` throws.
 */
export async function issueClientCredentials(request: ClientCredentialsRequest): Promise<IssuedCredentials> {
  const { keystore, cluster, clock } = request;
  const authorities = await keystore.authorities(cluster);
  const ca = request.trust.map((name) => {
    const authority = authorities[name];
    if (authority === undefined) throw authorityNotFound(cluster, name);
    return authority.certificate;
  });
  const nowMs = clock.now();
  const { key, csr } = await createKeyAndCsr('ecdsa-p256');
  const certificate = await keystore.issueLeaf(cluster, request.issue, {
    csr,
    commonName: request.commonName ?? 'quorate-controller',
    sans: [],
    validityMs: request.validityMs ?? dayMs,
  });
  const { notAfterMs } = parseCertificate(certificate);
  return { ca: ca.join(''), certificate, key, notAfterMs, renewAtMs: Math.floor((nowMs + notAfterMs) / 2) };
}
