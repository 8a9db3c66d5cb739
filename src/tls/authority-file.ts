import { createPrivateKey, createPublicKey, type KeyObject, webcrypto, type X509Certificate } from 'node:crypto';
import { describeError, QuorateError } from '../base/errors.ts';
import type { Secret } from '../base/redact.ts';
import { describeCertificate, readCertificates } from './certificate.ts';
import type { Signer } from './issue.ts';
import { keyAlgorithms } from './keys.ts';
import type { Authority } from './keystore.ts';

/** An authority read from its file: what is told about it, and what signs with it. */
export interface StoredAuthority extends Authority {
  readonly signer: Signer;
  /** False: the key lies in the file as it is, without a passphrase. */
  readonly isEncrypted: boolean;
}

/**
 * One authority is one file, certificate and key together, so that no crash can part them. The key is
 * PKCS#8, under a passphrase with AES-256 (PBES2), which `openssl pkey` reads.
 */
export function formatAuthorityFile(certificate: string, key: KeyObject, passphrase: Secret | undefined): string {
  const pem =
    passphrase === undefined
      ? key.export({ type: 'pkcs8', format: 'pem' })
      : key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: passphrase.reveal() });
  return `${certificate.trimEnd()}\n${pem.toString()}`;
}

/** Throws `keystore-passphrase-missing`, `keystore-passphrase-wrong` or `keystore-damaged`; never gives a part. */
export async function parseAuthorityFile(
  path: string,
  name: string,
  text: string,
  passphrase: Secret | undefined,
): Promise<StoredAuthority> {
  const keyBlocks = text.match(/-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----[\s\S]*?-----END [A-Z ]+-----\n?/g) ?? [];
  const [keyPem] = keyBlocks;
  if (keyPem === undefined || keyBlocks.length > 1) throw damaged(path, `it holds ${keyBlocks.length} keys, not one`);
  const certificate = readOwnCertificate(path, text.replace(keyPem, ''));
  const isEncrypted = keyPem.includes('ENCRYPTED');
  const key = readOwnKey(path, keyPem, isEncrypted ? passphrase : undefined, isEncrypted);
  if (!certificate.checkPrivateKey(key)) throw damaged(path, 'its key does not belong to its certificate');
  const parsed = describeCertificate(certificate);
  if (parsed.keyType === 'other') throw damaged(path, 'its key is of a kind that is not used here');
  const algorithm = keyAlgorithms[parsed.keyType].generate;
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const pem = certificate.toString();
  return {
    name,
    certificate: pem,
    fingerprint: parsed.fingerprint,
    subject: parsed.subject,
    notBeforeMs: parsed.notBeforeMs,
    notAfterMs: parsed.notAfterMs,
    isEncrypted,
    signer: {
      certificate: pem,
      key: await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
      keyType: parsed.keyType,
    },
  };
}

function readOwnCertificate(path: string, pem: string): X509Certificate {
  try {
    const [certificate, ...others] = readCertificates(pem);
    if (others.length > 0) throw damaged(path, 'it holds more than one certificate');
    if (!certificate.ca || !certificate.verify(certificate.publicKey))
      throw damaged(path, 'its certificate is not that of a self-signed authority');
    return certificate;
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'keystore-damaged') throw error;
    throw damaged(path, describeError(error));
  }
}

function readOwnKey(path: string, pem: string, passphrase: Secret | undefined, isEncrypted: boolean): KeyObject {
  if (isEncrypted && passphrase === undefined) {
    throw new QuorateError({
      code: 'keystore-passphrase-missing',
      kind: 'stalled',
      operation: `read ${path}`,
      summary: 'the key is encrypted and no passphrase was given',
      remedy:
        'Name the passphrase file in keystore.passphraseFile of controller.yaml, or set QUORATE_KEYSTORE_PASSPHRASE.',
    });
  }
  try {
    const key = createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase: passphrase.reveal() });
    // Asks for the public half too, so that a key that parses but makes no sense is found here.
    createPublicKey(key);
    return key;
  } catch {
    // The cause is left out: it can quote what it could not read.
    if (!isEncrypted) throw damaged(path, 'its key cannot be read');
    throw new QuorateError({
      code: 'keystore-passphrase-wrong',
      kind: 'stalled',
      operation: `read ${path}`,
      summary: 'the key does not open with this passphrase (or the file is damaged)',
      remedy:
        'Give the passphrase that the keystore was made with, or restore the file from your copy of the state folder.',
    });
  }
}

/** A keystore that cannot be read is never taken for an empty one: new authorities would cut the cluster in two. */
export function damaged(path: string, found: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'keystore-damaged',
    kind: 'stalled',
    operation: `read ${path}`,
    summary: `this part of the keystore cannot be used: ${found}`,
    remedy: 'Restore it from your copy of the state folder. Without the key, rotate to a new authority by a commit.',
    cause,
  });
}
