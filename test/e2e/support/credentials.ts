import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { issueClientCredentials } from '../../../src/tls/client-credentials.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';
import { readPassphrase } from '../../../src/tls/passphrase.ts';

export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A client certificate as an operator gets it, out of the controller's keystore. */
export async function operatorCredentials(folder: string): Promise<ClientCredentials> {
  const keystore = await openFileKeystore({
    folder: join(folder, 'state', 'keystore'),
    clock: systemClock,
    passphrase: await readPassphrase({}, join(folder, 'pki', 'keystore.passphrase')),
  });
  const request = { keystore, cluster: 'orders', trust: ['client-1'], issue: 'client-1', clock: systemClock };
  return issueClientCredentials({ ...request, commonName: 'tests' });
}

export async function writeCredentials(
  folder: string,
  name: string,
  { ca, certificate, key }: ClientCredentials,
): Promise<CredentialFiles> {
  const files = {
    ca: join(folder, `${name}-ca.crt`),
    cert: join(folder, `${name}.crt`),
    key: join(folder, `${name}.key`),
  };
  await writeFile(files.ca, ca);
  await writeFile(files.cert, certificate);
  await writeFile(files.key, key, { mode: 0o600 });
  return files;
}
