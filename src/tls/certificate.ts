import { type KeyObject, X509Certificate } from 'node:crypto';
import { describeError, QuorateError } from '../base/errors.ts';
import type { KeyType } from '../spec/cluster-spec.ts';
import { canonicalName } from './names.ts';
import { x509 } from './x509.ts';

export interface ParsedCertificate {
  /** SHA-256 of the DER, hexadecimal, lower case. */
  readonly fingerprint: string;
  /** Hexadecimal, lower case. */
  readonly serial: string;
  /** `CN=orders peer-1 3f9a…`; several attributes are joined with `, `. */
  readonly issuer: string;
  readonly subject: string;
  /** DNS names, addresses and URIs, spelled as `canonicalName` does, in the order of the certificate. */
  readonly sans: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly keyType: KeyType | 'other';
  /** True for the certificate of an authority. */
  readonly isAuthority: boolean;
}

// A bundle holds a handful of authorities of about 1 KiB each; more is a mistake or an attack.
const maxPemBytes = 1024 * 1024;
const maxCertificates = 64;

/**
 * Every certificate of a PEM text, in its order; at least one. Text between the blocks is allowed, as
 * OpenSSL writes it. Throws `not-pem`: a block that is cut off or is no certificate must not be skipped,
 * which Go does silently, because an authority would be missing from the trust.
 */
export function readCertificates(pem: string, what = 'certificate'): readonly [X509Certificate, ...X509Certificate[]] {
  if (Buffer.byteLength(pem) > maxPemBytes) throw notPem(what, `it is larger than ${maxPemBytes} bytes`);
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  const begins = pem.match(/-----BEGIN /g)?.length ?? 0;
  if (begins > blocks.length) throw notPem(what, 'it holds a block that is cut off or is no certificate');
  if (blocks.length > maxCertificates) throw notPem(what, `it holds more than ${maxCertificates} certificates`);
  const [first, ...rest] = blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw notPem(what, `a block does not hold a certificate: ${describeError(error)}`, error);
    }
  });
  if (first === undefined) throw notPem(what, pem.trim() === '' ? 'it is empty' : 'it holds no certificate');
  return [first, ...rest];
}

function notPem(what: string, found: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'not-pem',
    kind: 'invalid',
    operation: `read ${what}`,
    summary: `this is not a certificate in PEM: ${found}`,
    remedy: 'Give the complete file, from -----BEGIN CERTIFICATE----- to the last -----END CERTIFICATE-----.',
    cause,
  });
}

/** The first certificate of a PEM text. Throws `not-pem`. */
export function parseCertificate(pem: string): ParsedCertificate {
  return describeCertificate(readCertificates(pem)[0]);
}

/** All certificates of a PEM text. Throws `not-pem` on an empty or damaged text. */
export function parseBundle(pem: string): ParsedCertificate[] {
  return readCertificates(pem, 'certificate bundle').map(describeCertificate);
}

/** What we say about a certificate, also for one that was seen on the wire. */
export function describeCertificate(certificate: X509Certificate): ParsedCertificate {
  return {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    serial: certificate.serialNumber.toLowerCase(),
    issuer: distinguishedName(certificate.issuer),
    subject: distinguishedName(certificate.subject),
    sans: alternativeNames(certificate),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    keyType: keyTypeOf(certificate.publicKey),
    isAuthority: certificate.ca,
  };
}

function distinguishedName(lines: string | undefined): string {
  // A certificate may have an empty name, for which Node gives undefined.
  return (lines ?? '').split('\n').join(', ');
}

function alternativeNames(certificate: X509Certificate): readonly string[] {
  if (certificate.subjectAltName === undefined) return [];
  const extension = new x509.X509Certificate(certificate.raw).getExtension(x509.SubjectAlternativeNameExtension);
  return (extension?.names.items ?? []).map((name) => canonicalName(name.value));
}

/** The kinds of keys that specs name; anything else is `other`. */
export function keyTypeOf(key: KeyObject): KeyType | 'other' {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  if (key.asymmetricKeyType === 'ec') return details?.namedCurve === 'prime256v1' ? 'ecdsa-p256' : 'other';
  if (key.asymmetricKeyType !== 'rsa') return 'other';
  if (details?.modulusLength === 2048) return 'rsa-2048';
  return details?.modulusLength === 4096 ? 'rsa-4096' : 'other';
}
