import { webcrypto } from 'node:crypto';
import type { KeyType } from '../spec/cluster-spec.ts';

interface KeyAlgorithm {
  /** What makes the key. */
  readonly generate: { readonly name: string } & Readonly<Record<string, unknown>>;
  /** What signs with it; SHA-256 where the algorithm wants a hash. */
  readonly sign: { readonly name: string } & Readonly<Record<string, unknown>>;
}

const rsa = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) };

/** WebCrypto's words for each kind of key. */
export const keyAlgorithms: Readonly<Record<KeyType, KeyAlgorithm>> = {
  'ecdsa-p256': { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  ed25519: { generate: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
  'rsa-2048': { generate: { ...rsa, modulusLength: 2048 }, sign: rsa },
  'rsa-4096': { generate: { ...rsa, modulusLength: 4096 }, sign: rsa },
};

export async function generateKeys(keyType: KeyType): Promise<webcrypto.CryptoKeyPair> {
  const keys = await webcrypto.subtle.generateKey(keyAlgorithms[keyType].generate, true, ['sign', 'verify']);
  if ('type' in keys) throw new TypeError(`${keyType} gave a single key where a pair was asked for`);
  return keys;
}

/** PKCS#8 in PEM, which etcd reads for every kind of key. */
export async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}
