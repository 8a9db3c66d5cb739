import { createPrivateKey, webcrypto } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { keyTypeOf } from '../../../src/tls/certificate.ts';
import { publicKeyOfCsr } from '../../../src/tls/issue.ts';
import { generateKeys, keyAlgorithms } from '../../../src/tls/keys.ts';
import { checkLeaf, createKeyAndCsr, parseBundle, parseCertificate } from '../../../src/tls/leaf.ts';
import { x509 } from '../../../src/tls/x509.ts';
import { authorityOf, codeOf, dayMs, leafOf, startMs, type TestAuthority } from './certificates.ts';

let authority: TestAuthority;
let stranger: TestAuthority;
let leaf: { certificate: string; key: string };

beforeAll(async () => {
  authority = await authorityOf('orders peer-1 00000001');
  stranger = await authorityOf('orders peer-2 00000002');
  leaf = await leafOf(authority);
});

const check = (part: {
  certificate?: string;
  key?: string;
  trust?: string;
  nowMs?: number;
  names?: readonly string[];
}) => codeOf(() => checkLeaf({ ...leaf, trust: authority.certificate, nowMs: startMs, ...part }));

describe('keys and requests', () => {
  test.each(['ecdsa-p256', 'ed25519', 'rsa-2048'] as const)(
    '%s: the request is signed by the key that comes with it',
    async (keyType) => {
      const { key, csr } = await createKeyAndCsr(keyType);
      expect(keyTypeOf(createPrivateKey(key))).toBe(keyType);
      expect(new Uint8Array(await publicKeyOfCsr(csr)).length).toBeGreaterThan(40);
      const made = await leafOf(authority, { keyType });
      expect(parseCertificate(made.certificate).keyType).toBe(keyType);
      expect(checkLeaf({ ...made, trust: authority.certificate, nowMs: startMs }).keyType).toBe(keyType);
    },
  );

  test('a request whose signature is wrong is not signed', async () => {
    const [mine, theirs] = [await generateKeys('ecdsa-p256'), await generateKeys('ecdsa-p256')];
    const stolen = await x509.Pkcs10CertificateRequestGenerator.create({
      name: 'CN=x',
      keys: { privateKey: mine.privateKey, publicKey: theirs.publicKey },
      signingAlgorithm: keyAlgorithms['ecdsa-p256'].sign,
    });
    expect(await codeOf(() => publicKeyOfCsr(stolen.toString('pem')))).toBe('csr-invalid');
  });

  test('other kinds of keys, garbage and oversized requests are not signed', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-256' };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      name: 'CN=x',
      keys,
      signingAlgorithm: algorithm,
    });
    for (const csr of [request.toString('pem'), '', 'nonsense', leaf.certificate, 'A'.repeat(70_000)])
      expect(await codeOf(() => publicKeyOfCsr(csr))).toBe('csr-invalid');
  });
});

describe('what a certificate says', () => {
  test('a leaf', () => {
    const parsed = parseCertificate(leaf.certificate);
    expect(parsed).toMatchObject({
      issuer: 'CN=orders peer-1 00000001',
      subject: 'CN=a',
      sans: ['a', 'localhost', '127.0.0.1', '::1'],
      notBeforeMs: startMs - 600_000,
      notAfterMs: startMs + dayMs,
      keyType: 'ecdsa-p256',
      isAuthority: false,
    });
    expect(parsed.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(parsed.serial).toMatch(/^[0-9a-f]{2,32}$/);
  });

  test('a bundle, in its order, with text between', () => {
    const subjects = parseBundle(`# two\n${authority.certificate}and\n${stranger.certificate}`).map(
      (one) => one.subject,
    );
    expect(subjects).toEqual(['CN=orders peer-1 00000001', 'CN=orders peer-2 00000002']);
  });

  test('nothing is left out of a damaged bundle', async () => {
    const cut = stranger.certificate.slice(0, 200);
    const damaged = [
      '',
      ' \n',
      'garbage',
      cut,
      `${authority.certificate}${cut}`,
      `${cut}\n${authority.certificate}`,
      `${authority.certificate}${leaf.key}`,
      '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      authority.certificate.repeat(65),
      `${authority.certificate}${' '.repeat(1024 * 1024)}`,
    ];
    for (const text of damaged) expect(await codeOf(() => parseBundle(text))).toBe('not-pem');
  });
});

describe('a leaf that etcd can use', () => {
  test('passes, also with other authorities in the trust and with its names', () => {
    const parsed = checkLeaf({
      ...leaf,
      trust: stranger.certificate + authority.certificate,
      nowMs: startMs,
      names: ['A', '0:0:0:0:0:0:0:1', '127.0.0.1'],
    });
    expect(parsed.subject).toBe('CN=a');
  });

  test('an intermediate certificate may come after it', async () => {
    const keys = await generateKeys('ecdsa-p256');
    const root = await generateKeys('ecdsa-p256');
    const validity = { notBefore: new Date(startMs - dayMs), notAfter: new Date(startMs + dayMs) };
    const signingAlgorithm = keyAlgorithms['ecdsa-p256'].sign;
    const extensions = [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ];
    const top = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=top',
      keys: root,
      signingAlgorithm,
      extensions,
      ...validity,
    });
    const middle = await x509.X509CertificateGenerator.create({
      subject: 'CN=middle',
      issuer: 'CN=top',
      publicKey: keys.publicKey,
      signingKey: root.privateKey,
      signingAlgorithm,
      extensions,
      ...validity,
    });
    const made = await leafOf({ certificate: middle.toString('pem'), key: keys.privateKey, keyType: 'ecdsa-p256' });
    const trust = top.toString('pem');
    expect(await check({ ...made, trust })).toBe('certificate-not-trusted');
    expect(await check({ ...made, trust, certificate: `${made.certificate}${middle.toString('pem')}` })).toBe(
      'nothing was thrown',
    );
  });
});

describe('a leaf that etcd cannot use is refused, each with its code', () => {
  test('not PEM', async () => {
    expect(await check({ certificate: 'x' })).toBe('not-pem');
    expect(await check({ certificate: leaf.key })).toBe('not-pem');
    expect(await check({ trust: '' })).toBe('not-pem');
  });

  test('a key that is none, and the error does not quote it', async () => {
    const key = leaf.key.replace('MIG', '!!!');
    expect(await check({ key })).toBe('key-not-pem');
    expect(await check({ key: leaf.certificate })).toBe('key-not-pem');
    expect(() => checkLeaf({ ...leaf, key, trust: authority.certificate, nowMs: startMs })).toThrow(/^(?![\s\S]*!!!)/);
  });

  test('the key of another certificate', async () => {
    expect(await check({ key: (await leafOf(authority)).key })).toBe('key-mismatch');
    expect(await check({ key: (await createKeyAndCsr('ed25519')).key })).toBe('key-mismatch');
  });

  test('an authority that is not trusted, also one with the same subject', async () => {
    const twin = await authorityOf('orders peer-1 00000001');
    expect(await check({ trust: stranger.certificate })).toBe('certificate-not-trusted');
    expect(await check({ trust: twin.certificate })).toBe('certificate-not-trusted');
  });

  test('a leaf in the trust is no authority', async () => {
    expect(await check({ trust: leaf.certificate })).toBe('certificate-not-trusted');
  });

  test('dates', async () => {
    expect(await check({ nowMs: startMs - 601_000 })).toBe('certificate-not-yet-valid');
    expect(await check({ nowMs: startMs + dayMs + 1000 })).toBe('certificate-expired');
    expect(await check({ nowMs: startMs + dayMs })).toBe('nothing was thrown');
  });

  test('an authority that is over', async () => {
    const old = await authorityOf('old', dayMs, startMs - 2 * dayMs);
    expect(await check({ ...(await leafOf(old)), trust: old.certificate })).toBe('authority-expired');
  });

  test('usage as server or as client missing', async () => {
    expect(await check(await leafOf(authority, { usages: ['server'] }))).toBe('certificate-usage');
    expect(await check(await leafOf(authority, { usages: ['client'] }))).toBe('certificate-usage');
  });

  test('the certificate of the authority itself', async () => {
    expect(await check({ certificate: authority.certificate })).toBe('certificate-is-authority');
  });

  test('names', async () => {
    expect(await check({ names: ['a', '10.0.0.1'] })).toBe('certificate-names');
    expect(await check({ ...(await leafOf(authority, { sans: [] })), names: ['a'] })).toBe('certificate-names');
  });
});
