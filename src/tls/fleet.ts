import { createPrivateKey, type KeyObject, webcrypto } from 'node:crypto';
import { type Clock, formatTime } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { KeyType } from '../spec/cluster-spec.ts';
import { describeCertificate, parseCertificate, readCertificates } from './certificate.ts';
import {
  authorityCommonName,
  backdateMs,
  checkCertificateNames,
  leafValidity,
  makeAuthority,
  makeLeaf,
} from './issue.ts';
import { generateKeys, keyAlgorithms, privateKeyPem } from './keys.ts';
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
 * Throws `name-invalid` and what `checkFleetAuthority` throws.
 */
export async function issueFleetCertificate(
  authority: CertificateAndKey,
  role: FleetRole,
  clock: Clock,
): Promise<CertificateAndKey> {
  const commonName = role.kind === 'agent' ? role.name : `quorate-${role.kind}`;
  const sans = [fleetUri(role), ...(role.kind === 'agent' ? memberNames(role.name, role.address) : [])];
  return issue(authority, commonName, sans, clock);
}

/**
 * A new key and certificate with the names of an earlier certificate, as they are: whoever added one by hand keeps
 * it. Throws `not-of-the-fleet` and what `issueFleetCertificate` throws.
 */
export async function renewFleetCertificate(
  authority: CertificateAndKey,
  certificate: string,
  clock: Clock,
): Promise<CertificateAndKey> {
  const { sans } = parseCertificate(certificate);
  const part = fleetPartOf(certificate);
  return issue(authority, part.startsWith('agent/') ? part.slice('agent/'.length) : `quorate-${part}`, sans, clock);
}

/** `controller`, `operator` or `agent/NAME`: whose certificate it is. Throws `not-of-the-fleet`, `not-pem`. */
function fleetPartOf(certificate: string): string {
  const { sans, subject } = parseCertificate(certificate);
  const [uri, another] = sans.filter((name) => name.startsWith('quorate:'));
  const part = /^quorate:\/\/(controller|operator|agent\/[a-z0-9-]{1,63})$/.exec(uri ?? '')?.[1];
  if (part !== undefined && another === undefined) return part;
  throw new QuorateError({
    code: 'not-of-the-fleet',
    kind: 'invalid',
    operation: `read certificate "${subject}"`,
    summary: 'it does not say, as exactly one URI quorate://…, for which part of a fleet it is',
    remedy: 'Take it out of pki/, or make one for an agent with `quorate fleet add`.',
  });
}

/**
 * Throws `fleet-authority-unusable` unless the pair can sign what the fleet accepts: an authority in date, and its
 * own key.
 */
export function checkFleetAuthority(authority: CertificateAndKey, nowMs: number): void {
  signingKeyOf(authority, nowMs);
}

async function issue(
  authority: CertificateAndKey,
  commonName: string,
  sans: readonly string[],
  clock: Clock,
): Promise<CertificateAndKey> {
  checkCertificateNames(commonName, sans);
  const nowMs = clock.now();
  const { key, keyType: authorityKeyType } = signingKeyOf(authority, nowMs);
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const signingKey = await webcrypto.subtle.importKey('pkcs8', der, keyAlgorithms[authorityKeyType].generate, false, [
    'sign',
  ]);
  const keys = await generateKeys(keyType);
  const certificate = await makeLeaf(
    { certificate: authority.certificate, key: signingKey, keyType: authorityKeyType },
    {
      commonName,
      sans,
      usages: [sans.some((name) => name.startsWith('quorate://agent/')) ? 'server' : 'client'],
      publicKey: await webcrypto.subtle.exportKey('spki', keys.publicKey),
      ...leafValidity(nowMs, yearMs, parseCertificate(authority.certificate)),
    },
  );
  return { certificate, key: await privateKeyPem(keys.privateKey) };
}

function signingKeyOf(authority: CertificateAndKey, nowMs: number): { key: KeyObject; keyType: KeyType } {
  const [certificate] = readCertificates(authority.certificate, 'the authority of the fleet');
  const { keyType: kind, isAuthority, notAfterMs } = describeCertificate(certificate);
  let key: KeyObject;
  try {
    key = createPrivateKey(authority.key);
  } catch {
    // The cause is left out: it can quote what it could not read.
    throw unusable('its key cannot be read; it must be an unencrypted private key in PEM');
  }
  if (!isAuthority) throw unusable('its certificate is not that of an authority');
  if (!certificate.checkPrivateKey(key)) throw unusable('its key does not belong to its certificate');
  if (nowMs > notAfterMs) throw unusable(`it ended at ${formatTime(notAfterMs)}, so nobody would accept what it signs`);
  if (kind === 'other') throw unusable('its key is of a kind that is not used here');
  return { key, keyType: kind };
}

function unusable(found: string): QuorateError {
  return new QuorateError({
    code: 'fleet-authority-unusable',
    kind: 'invalid',
    operation: 'sign with the authority of the fleet',
    summary: `ca.crt and ca.key cannot be used: ${found}`,
    remedy: 'Put both files back as `quorate init` made them.',
  });
}
