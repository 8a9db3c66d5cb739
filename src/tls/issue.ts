import { createPublicKey, randomBytes, type webcrypto } from 'node:crypto';
import { describeError, QuorateError } from '../base/errors.ts';
import type { KeyType } from '../spec/cluster-spec.ts';
import { keyTypeOf } from './certificate.ts';
import { keyAlgorithms } from './keys.ts';
import { nameKind } from './names.ts';
import { x509 } from './x509.ts';

/** How far certificates reach back, so that a host whose clock is a little late accepts them. */
export const backdateMs = 10 * 60_000;
// A request with a 4096-bit key is below 2 KiB.
const maxCsrBytes = 64 * 1024;
const maxNames = 64;

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface AuthorityInput extends Validity {
  readonly commonName: string;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly keyType: KeyType;
  /** 16 bytes, random when left out. */
  readonly serial?: Uint8Array | undefined;
}

/** An authority that can sign. */
export interface Signer {
  /** PEM. */
  readonly certificate: string;
  readonly key: webcrypto.CryptoKey;
  readonly keyType: KeyType;
}

export type LeafUsage = 'server' | 'client';

export interface LeafInput extends Validity {
  readonly commonName: string;
  /** DNS names, addresses and URIs, told apart by their form. */
  readonly sans: readonly string[];
  readonly usages: readonly LeafUsage[];
  /** DER of the public key (SPKI). */
  readonly publicKey: ArrayBuffer;
  /** 16 bytes, random when left out. */
  readonly serial?: Uint8Array | undefined;
}

/** A self-signed authority that may sign leaves but no further authorities; PEM. */
export async function makeAuthority(input: AuthorityInput): Promise<string> {
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialHex(input.serial),
    name: distinguishedName(input.commonName),
    notBefore: new Date(input.notBeforeMs),
    notAfter: new Date(input.notAfterMs),
    keys: input.keys,
    signingAlgorithm: keyAlgorithms[input.keyType].sign,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(input.keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(input.keys.publicKey),
    ],
  });
  return pem(certificate);
}

/** A leaf signed by an authority; PEM. Dates are taken as they are, see `leafValidity`. */
export async function makeLeaf(signer: Signer, input: LeafInput): Promise<string> {
  const authority = new x509.X509Certificate(signer.certificate);
  const publicKey = new x509.PublicKey(input.publicKey);
  const isRsa = spkiKeyType(input.publicKey).startsWith('rsa');
  const usage = x509.KeyUsageFlags.digitalSignature | (isRsa ? x509.KeyUsageFlags.keyEncipherment : 0);
  const extended = input.usages.map((one) =>
    one === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
  );
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialHex(input.serial),
    subject: distinguishedName(input.commonName),
    issuer: authority.subjectName,
    notBefore: new Date(input.notBeforeMs),
    notAfter: new Date(input.notAfterMs),
    publicKey,
    signingKey: signer.key,
    signingAlgorithm: keyAlgorithms[signer.keyType].sign,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(usage, true),
      new x509.ExtendedKeyUsageExtension(extended),
      ...(input.sans.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(generalNames(input.sans))]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return pem(certificate);
}

/** Validity of a leaf made now: backdated, and never beyond its authority, on either side. */
export function leafValidity(nowMs: number, validityMs: number, authority: Validity): Validity {
  return {
    notBeforeMs: Math.max(nowMs - backdateMs, authority.notBeforeMs),
    notAfterMs: Math.min(nowMs + validityMs, authority.notAfterMs),
  };
}

/**
 * `orders peer-1 3f9a04c1`: a subject of its own for every authority ever made, because servers and
 * clients tell generations apart by it. At most 64 characters (RFC 5280, ub-common-name).
 */
export function authorityCommonName(cluster: string, name: string, unique: Uint8Array = randomBytes(4)): string {
  return `${`${cluster} ${name}`.slice(0, 55).trimEnd()} ${Buffer.from(unique).toString('hex')}`;
}

/** The public key of a request (SPKI, DER). Throws `csr-invalid`: unreadable, a bad signature, a kind of key that we do not sign. */
export async function publicKeyOfCsr(csr: string): Promise<ArrayBuffer> {
  if (Buffer.byteLength(csr) > maxCsrBytes) throw badCsr(`it is larger than ${maxCsrBytes} bytes`);
  let request: InstanceType<typeof x509.Pkcs10CertificateRequest>;
  let keyType: KeyType | 'other';
  let isSigned: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(csr);
    keyType = spkiKeyType(request.publicKey.rawData);
    isSigned = keyType !== 'other' && (await request.verify());
  } catch (error) {
    throw badCsr(`it cannot be read: ${describeError(error)}`, error);
  }
  if (keyType === 'other') throw badCsr(`its key is of none of these kinds: ${Object.keys(keyAlgorithms).join(', ')}`);
  if (!isSigned) throw badCsr('its signature is wrong, so whoever sent it need not hold the key');
  return request.publicKey.rawData;
}

function spkiKeyType(spki: ArrayBuffer): KeyType | 'other' {
  return keyTypeOf(createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' }));
}

function badCsr(found: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'csr-invalid',
    kind: 'invalid',
    operation: 'read certificate request',
    summary: `this certificate request cannot be signed: ${found}`,
    remedy: 'Make a new key and request on the host.',
    cause,
  });
}

/** Throws `name-invalid` for a common name or alternative names that must not go into a certificate. */
export function checkCertificateNames(commonName: string, sans: readonly string[]): void {
  const bad = [
    ...(/^[A-Za-z0-9]([A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?$/.test(commonName) ? [] : [commonName]),
    ...sans.filter((name) => !isAlternativeName(name)),
  ];
  if (bad.length === 0 && sans.length <= maxNames) return;
  throw new QuorateError({
    code: 'name-invalid',
    kind: 'invalid',
    operation: 'issue certificate',
    summary:
      bad.length === 0
        ? `${sans.length} names are more than ${maxNames}`
        : `not a name that a certificate may carry: ${bad.map((name) => JSON.stringify(name)).join(', ')}`,
    remedy: 'Use host names of letters, digits, dots and hyphens, and IP addresses without a zone.',
  });
}

function isAlternativeName(name: string): boolean {
  const kind = nameKind(name);
  if (kind === 'ip') return !name.includes('%');
  if (kind === 'url') return /^[a-z]+:\/\/[A-Za-z0-9./_-]{1,200}$/.test(name);
  // RFC 1123 labels.
  return (
    name.length <= 253 && name.split('.').every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))
  );
}

function generalNames(sans: readonly string[]): { type: 'dns' | 'ip' | 'url'; value: string }[] {
  return sans.map((value) => ({ type: nameKind(value), value }));
}

function distinguishedName(commonName: string): { CN: string[] }[] {
  return [{ CN: [commonName] }];
}

function serialHex(serial: Uint8Array | undefined): string {
  return Buffer.from(serial ?? randomBytes(16)).toString('hex');
}

function pem(certificate: InstanceType<typeof x509.X509Certificate>): string {
  return `${certificate.toString('pem')}\n`;
}
