import { createPrivateKey, webcrypto } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import {
  authorityCommonName,
  backdateMs,
  checkCertificateNames,
  leafValidity,
  makeAuthority,
  makeLeaf,
} from './issue.ts';
import { generateKeys, keyAlgorithms, privateKeyPem } from './keys.ts';
import { parseCertificate } from './leaf.ts';
import { memberNames } from './names.ts';

/** The parts of a fleet, each with its own right: see `fleetUri`. */
export type FleetRole =
  | { readonly kind: 'controller' }
  | { readonly kind: 'operator' }
  | {
      readonly kind: 'agent';
      /** Name of the host. */
      readonly name: string;
      /** IP address or DNS name at which the controller reaches it. */
      readonly address: string;
    };

export interface CertificateAndKey {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8, not encrypted. */
  readonly key: string;
}

const yearMs = 365 * 24 * 3_600_000;
const keyType = 'ecdsa-p256';

/** The authority that controller, operators and agents of one fleet trust; 10 years. */
export async function createFleetAuthority(clock: Clock): Promise<CertificateAndKey> {
  const keys = await generateKeys(keyType);
  const nowMs = clock.now();
  const certificate = await makeAuthority({
    commonName: authorityCommonName('quorate', 'fleet'),
    keys,
    keyType,
    notBeforeMs: nowMs - backdateMs,
    notAfterMs: nowMs + 10 * yearMs,
  });
  return { certificate, key: await privateKeyPem(keys.privateKey) };
}

/** The name that says what a certificate may do: `quorate://controller`, `quorate://operator`, `quorate://agent/a`. */
export function fleetUri(role: FleetRole): string {
  return role.kind === 'agent' ? `quorate://agent/${role.name}` : `quorate://${role.kind}`;
}

/**
 * A key and its certificate for one part of the fleet; 1 year. Agents are servers and carry the names at
 * which they are reached; controller and operator are clients, so no stolen one can pose as the other side.
 */
export async function issueFleetCertificate(
  authority: CertificateAndKey,
  role: FleetRole,
  clock: Clock,
): Promise<CertificateAndKey> {
  const commonName = role.kind === 'agent' ? role.name : `quorate-${role.kind}`;
  const sans = [fleetUri(role), ...(role.kind === 'agent' ? memberNames(role.name, role.address) : [])];
  checkCertificateNames(commonName, sans);
  const der = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, keyAlgorithms[keyType].generate, false, ['sign']);
  const keys = await generateKeys(keyType);
  const certificate = await makeLeaf(
    { certificate: authority.certificate, key: signingKey, keyType },
    {
      commonName,
      sans,
      usages: [role.kind === 'agent' ? 'server' : 'client'],
      publicKey: await webcrypto.subtle.exportKey('spki', keys.publicKey),
      ...leafValidity(clock.now(), yearMs, parseCertificate(authority.certificate)),
    },
  );
  return { certificate, key: await privateKeyPem(keys.privateKey) };
}
