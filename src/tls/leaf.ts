import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { formatTime } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import type { KeyType } from '../spec/cluster-spec.ts';
import { describeCertificate, type ParsedCertificate, readCertificates } from './certificate.ts';
import { generateKeys, keyAlgorithms, privateKeyPem } from './keys.ts';
import { canonicalName } from './names.ts';
import { x509 } from './x509.ts';

export { type ParsedCertificate, parseBundle, parseCertificate } from './certificate.ts';

/**
 * A new key and a request for a certificate of it, both PEM. The request carries no names: whoever
 * signs takes them from the spec.
 */
export async function createKeyAndCsr(keyType: KeyType): Promise<{ readonly key: string; readonly csr: string }> {
  const keys = await generateKeys(keyType);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=quorate',
    keys,
    signingAlgorithm: keyAlgorithms[keyType].sign,
  });
  return { key: await privateKeyPem(keys.privateKey), csr: `${request.toString('pem')}\n` };
}

export interface LeafCheck {
  /** The leaf in PEM, intermediate certificates after it. */
  readonly certificate: string;
  /** Its private key in PEM, not encrypted. */
  readonly key: string;
  /** The accepted authorities in PEM, one or more. */
  readonly trust: string;
  readonly nowMs: number;
  /** Names and addresses that the leaf must carry; none when left out. */
  readonly names?: readonly string[] | undefined;
}

const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
const anyUsage = '2.5.29.37.0';
// A path longer than this is a loop or an attack; real ones have one to three links.
const maxChainLinks = 8;

/**
 * Gives what the leaf says when etcd can use it, else throws a QuorateError of kind `invalid` with one of:
 * `not-pem`, `key-not-pem`, `certificate-is-authority`, `key-mismatch`, `certificate-not-yet-valid`,
 * `certificate-expired`, `certificate-usage`, `certificate-not-trusted`, `authority-expired`, `certificate-names`.
 */
export function checkLeaf(check: LeafCheck): ParsedCertificate {
  const [leaf, ...intermediates] = readCertificates(check.certificate);
  const trust = readCertificates(check.trust, 'trusted authorities');
  const parsed = describeCertificate(leaf);
  const key = readKey(check.key);
  if (leaf.ca)
    throw unusable(
      parsed,
      'certificate-is-authority',
      'it is the certificate of an authority, not a leaf',
      'Give a certificate that the authority signed for this host (CA:FALSE).',
    );
  if (!leaf.checkPrivateKey(key))
    throw unusable(
      parsed,
      'key-mismatch',
      'the private key does not belong to it',
      'Give the key that the certificate was requested with, or request a new one.',
    );
  checkDates(parsed, check.nowMs);
  checkUsage(parsed, leaf);
  checkChain(parsed, leaf, intermediates, trust, check.nowMs);
  const missing = (check.names ?? []).map(canonicalName).filter((name) => !parsed.sans.includes(name));
  if (missing.length > 0)
    throw unusable(
      parsed,
      'certificate-names',
      `it is for ${parsed.sans.join(', ') || 'no name at all'} and lacks ${missing.join(', ')}`,
      'Request it with these subject alternative names.',
    );
  return parsed;
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause is left out: it can quote what it could not read.
    throw new QuorateError({
      code: 'key-not-pem',
      kind: 'invalid',
      operation: 'read private key',
      summary: 'this is not an unencrypted private key in PEM',
      remedy: 'Give the key file as it was made, from -----BEGIN PRIVATE KEY----- to -----END PRIVATE KEY-----.',
    });
  }
}

function checkDates(parsed: ParsedCertificate, nowMs: number): void {
  if (nowMs < parsed.notBeforeMs)
    throw unusable(
      parsed,
      'certificate-not-yet-valid',
      `it is valid from ${formatTime(parsed.notBeforeMs)} and it is ${formatTime(nowMs)} now`,
      'Check the clock of this host, or wait.',
    );
  if (nowMs > parsed.notAfterMs)
    throw unusable(
      parsed,
      'certificate-expired',
      `it expired at ${formatTime(parsed.notAfterMs)} and it is ${formatTime(nowMs)} now`,
      'Issue a new one; check the clock of this host.',
    );
}

function checkUsage(parsed: ParsedCertificate, leaf: X509Certificate): void {
  // No such extension means any usage (RFC 5280, 4.2.1.12), and Go reads it so.
  const usages: readonly string[] = leaf.keyUsage ?? [anyUsage];
  if (usages.includes(anyUsage)) return;
  const missing = [
    ...(usages.includes(serverAuth) ? [] : ['serverAuth']),
    ...(usages.includes(clientAuth) ? [] : ['clientAuth']),
  ];
  if (missing.length > 0)
    throw unusable(
      parsed,
      'certificate-usage',
      `its extended key usage lacks ${missing.join(' and ')}, and etcd presents it as server and as client`,
      'Request it with serverAuth and clientAuth.',
    );
}

/** Walks from the leaf to one of the trusted certificates, which ends the path as it does in Go, self-signed or not. */
function checkChain(
  parsed: ParsedCertificate,
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  trust: readonly X509Certificate[],
  nowMs: number,
): void {
  let current = leaf;
  for (let links = 0; links < maxChainLinks; links++) {
    const here = current;
    const anchors = trust.filter((candidate) => hasIssued(candidate, here));
    if (anchors.some((anchor) => isValidAt(anchor, nowMs))) return;
    const [stale] = anchors;
    if (stale !== undefined)
      throw unusable(
        parsed,
        'authority-expired',
        `its authority ${describeCertificate(stale).subject} is not valid at ${formatTime(nowMs)} (until ${formatTime(Date.parse(stale.validTo))})`,
        'Rotate the authority; check the clock of this host.',
      );
    const next = intermediates.find((candidate) => isValidAt(candidate, nowMs) && hasIssued(candidate, here));
    if (next === undefined) break;
    current = next;
  }
  const accepted = trust.map((authority) => describeCertificate(authority).subject).join('; ');
  throw unusable(
    parsed,
    'certificate-not-trusted',
    `it was issued by "${parsed.issuer}" and does not chain to the trusted authorities (${accepted})`,
    'Have it signed by a trusted authority, or give the intermediate certificates after it.',
  );
}

function hasIssued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return nowMs >= Date.parse(certificate.validFrom) && nowMs <= Date.parse(certificate.validTo);
}

function unusable(parsed: ParsedCertificate, code: string, found: string, remedy: string): QuorateError {
  return new QuorateError({
    code,
    kind: 'invalid',
    operation: `check certificate "${parsed.subject}"`,
    summary: `it cannot be used: ${found}`,
    remedy,
  });
}
