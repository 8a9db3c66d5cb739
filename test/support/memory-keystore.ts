import { createHash, createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import type { Clock } from '../../src/base/clock.ts';
import { authorityCommonName, backdateMs, makeAuthority, type Signer } from '../../src/tls/issue.ts';
import type { Authority, Keystore } from '../../src/tls/keystore.ts';
import { authorityNotFound, checkKeystoreName } from '../../src/tls/keystore-names.ts';
import { parseCertificate } from '../../src/tls/leaf.ts';
import { signRequest } from '../../src/tls/sign-request.ts';

interface Made {
  readonly authority: Authority;
  readonly signer: Signer;
}

/**
 * A keystore in memory with real certificates. With the same clock, seed and calls it makes the same
 * authorities, byte for byte: keys are Ed25519 (whose signatures are deterministic) and derived from
 * the names. Nothing in it is secret.
 */
export function createMemoryKeystore(options: { readonly clock: Clock; readonly seed?: string | undefined }): Keystore {
  const { clock, seed = 'seed' } = options;
  const clusters = new Map<string, Map<string, Made>>();
  let leaves = 0;

  return {
    authorities: async (cluster) => {
      checkKeystoreName('cluster', cluster);
      const made = [...(clusters.get(cluster) ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1));
      return Object.fromEntries(made.map(([name, { authority }]) => [name, authority]));
    },
    ensureAuthority: async (cluster, name, validityMs) => {
      checkKeystoreName('cluster', cluster);
      checkKeystoreName('authority', name);
      const existing = clusters.get(cluster)?.get(name);
      if (existing !== undefined) return existing.authority;
      const unique = digest(`${seed}/${cluster}/${name}`);
      const keys = await ed25519Keys(unique);
      const nowMs = clock.now();
      const certificate = await makeAuthority({
        commonName: authorityCommonName(cluster, name, unique.subarray(0, 4)),
        keys,
        keyType: 'ed25519',
        notBeforeMs: nowMs - backdateMs,
        notAfterMs: nowMs + validityMs,
        serial: unique.subarray(4, 20),
      });
      const { fingerprint, subject, notBeforeMs, notAfterMs } = parseCertificate(certificate);
      const authority = { name, certificate, fingerprint, subject, notBeforeMs, notAfterMs };
      const inCluster = clusters.get(cluster) ?? new Map<string, Made>();
      // A call at the same time may have come first; both made the same bytes unless the clock moved.
      const first = inCluster.get(name);
      if (first !== undefined) return first.authority;
      inCluster.set(name, { authority, signer: { certificate, key: keys.privateKey, keyType: 'ed25519' } });
      clusters.set(cluster, inCluster);
      return authority;
    },
    issueLeaf: async (cluster, name, request) => {
      const found = clusters.get(cluster)?.get(name);
      if (found === undefined) throw authorityNotFound(cluster, name);
      leaves += 1;
      const serial = digest(`${seed}/${cluster}/${name}/${leaves}`).subarray(0, 16);
      return signRequest(found.signer, found.authority, request, clock.now(), serial);
    },
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function ed25519Keys(secret: Buffer): Promise<webcrypto.CryptoKeyPair> {
  // RFC 8410: the fixed head of a PKCS#8 Ed25519 key, then the 32 bytes of the key.
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), secret]);
  const spki = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    type: 'spki',
    format: 'der',
  });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', der, { name: 'Ed25519' }, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, { name: 'Ed25519' }, true, ['verify']),
  };
}
