import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Secret } from '../../../src/base/redact.ts';
import { issueClientCredentials } from '../../../src/tls/client-credentials.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import { createFleetAuthority, issueFleetCertificate } from '../../../src/tls/fleet.ts';
import { createKeyAndCsr } from '../../../src/tls/leaf.ts';
import { clockAt, dayMs, inTemporaryFolder, startMs } from './certificates.ts';

const isMissing = spawnSync('openssl', ['version']).status !== 0;
const missing = 'openssl is not installed';
const clock = clockAt(startMs);

function openssl(...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8', timeout: 20_000 });
  return { status, text: `${stdout}${stderr}` };
}

for (const keyType of ['ecdsa-p256', 'ed25519', 'rsa-2048'] as const) {
  test(`OpenSSL accepts the chain of a member whose key is ${keyType}`, async (context) => {
    if (isMissing) context.skip(missing);
    await inTemporaryFolder(async (folder) => {
      const keystore = await openFileKeystore({ folder: join(folder, 'keys'), clock });
      const authority = await keystore.ensureAuthority('orders', 'peer-1', 5 * 365 * dayMs);
      const { csr } = await createKeyAndCsr(keyType);
      const request = { csr, commonName: 'a', sans: ['a', '10.0.0.1', '::1'], validityMs: dayMs };
      const [ca, crt] = [join(folder, 'ca.crt'), join(folder, 'leaf.crt')];
      await writeFile(ca, authority.certificate);
      await writeFile(crt, await keystore.issueLeaf('orders', 'peer-1', request));
      const verify = ['verify', '-x509_strict', '-check_ss_sig', '-CAfile', ca];
      for (const purpose of ['sslserver', 'sslclient']) {
        const verified = openssl(...verify, '-purpose', purpose, '-verify_ip', '10.0.0.1', crt);
        expect(verified).toEqual({ status: 0, text: `${crt}: OK\n` });
      }
      expect(openssl(...verify, '-verify_ip', '10.0.0.2', crt).status).not.toBe(0);
      const shown = openssl('x509', '-in', crt, '-noout', '-text').text;
      expect(shown).toContain('CA:FALSE');
      expect(shown).toContain('TLS Web Server Authentication, TLS Web Client Authentication');
      expect(shown).toContain('DNS:a, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1');
      const own = openssl('x509', '-in', ca, '-noout', '-text').text;
      expect(own).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
      expect(own).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    });
  });
}

test('OpenSSL accepts the credentials of a client and opens an encrypted key of an authority', async (context) => {
  if (isMissing) context.skip(missing);
  await inTemporaryFolder(async (folder) => {
    const passphrase = new Secret('correct horse battery staple');
    const keystore = await openFileKeystore({ folder, clock, passphrase });
    await keystore.ensureAuthority('orders', 'client-1', dayMs);
    const names = { trust: ['client-1'], issue: 'client-1' };
    const { ca, certificate } = await issueClientCredentials({ keystore, cluster: 'orders', ...names, clock });
    await writeFile(join(folder, 'ca.crt'), ca);
    await writeFile(join(folder, 'client.crt'), certificate);
    const verify = ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', join(folder, 'ca.crt')];
    expect(openssl(...verify, join(folder, 'client.crt')).text).toContain(': OK');
    const open = ['pkey', '-in', join(folder, 'orders', 'client-1.pem'), '-noout', '-check', '-passin'];
    expect(openssl(...open, `pass:${passphrase.reveal()}`).text).toContain('Key is valid');
    expect(openssl(...open, 'pass:something else').status).not.toBe(0);
  });
});

test('OpenSSL accepts agents as servers only and the controller as a client only', async (context) => {
  if (isMissing) context.skip(missing);
  await inTemporaryFolder(async (folder) => {
    const authority = await createFleetAuthority(clock);
    const agent = await issueFleetCertificate(authority, { kind: 'agent', name: 'a', address: '10.0.0.1' }, clock);
    const controller = await issueFleetCertificate(authority, { kind: 'controller' }, clock);
    const path = (name: string) => join(folder, name);
    await writeFile(path('ca'), authority.certificate);
    await writeFile(path('agent'), agent.certificate);
    await writeFile(path('controller'), controller.certificate);
    const isAccepted = (purpose: string, name: string) =>
      openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', path('ca'), path(name)).status === 0;
    expect([isAccepted('sslserver', 'agent'), isAccepted('sslclient', 'agent')]).toEqual([true, false]);
    expect([isAccepted('sslserver', 'controller'), isAccepted('sslclient', 'controller')]).toEqual([false, true]);
  });
});
