import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { authorityCommonName, backdateMs, makeAuthority } from '../tls/issue.ts';
import { generateKeys } from '../tls/keys.ts';
import type { ClientCredentials } from '../tls/keystore.ts';
import { createKeyAndCsr, parseCertificate } from '../tls/leaf.ts';
import { signRequest } from '../tls/sign-request.ts';

const validityMs = 86_400_000;
const keyType = 'ecdsa-p256';

/**
 * Credentials for one scratch etcd, of which its server and its only client have the same: nobody else on this
 * machine can read or write it. The authority's key is never kept. `root` is the user that may do everything where
 * the backup has etcd's own users.
 */
export async function makeScratchCredentials(folder: string, clock: Clock): Promise<ClientCredentials> {
  const nowMs = clock.now();
  const keys = await generateKeys(keyType);
  const ca = await makeAuthority({
    commonName: authorityCommonName('quorate', 'scratch'),
    keys,
    keyType,
    notBeforeMs: nowMs - backdateMs,
    notAfterMs: nowMs + validityMs,
  });
  const { key, csr } = await createKeyAndCsr(keyType);
  const certificate = await signRequest(
    { certificate: ca, key: keys.privateKey, keyType },
    { ...parseCertificate(ca), name: 'scratch', certificate: ca },
    { csr, commonName: 'root', sans: ['127.0.0.1'], validityMs },
    nowMs,
  );
  const files = { 'ca.pem': ca, 'cert.pem': certificate, 'cert.key': key };
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), content, { mode: 0o600, flag: 'wx' });
  return { ca, certificate, key };
}
