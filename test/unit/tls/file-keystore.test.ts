import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/base/redact.ts';
import { openFileKeystore } from '../../../src/tls/file-keystore.ts';
import type { Keystore } from '../../../src/tls/keystore.ts';
import { checkLeaf, createKeyAndCsr, parseCertificate } from '../../../src/tls/leaf.ts';
import { memberNames } from '../../../src/tls/names.ts';
import { codeOf, dayMs, startMs } from './certificates.ts';
import { inKeystore } from './in-keystore.ts';

const passphrase = new Secret('correct horse battery staple');
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

describe('authorities', () => {
  test('a new cluster has none', () =>
    inKeystore(async (keystore) => {
      expect(await keystore.authorities('orders')).toEqual({});
    }));

  test('each has its own subject, key and serial, also under the same name in another cluster', () =>
    inKeystore(async (keystore) => {
      const made = [
        await keystore.ensureAuthority('orders', 'peer-1', dayMs),
        await keystore.ensureAuthority('orders', 'peer-2', dayMs),
        await keystore.ensureAuthority('carts', 'peer-1', dayMs),
      ];
      const parsed = made.map((authority) => parseCertificate(authority.certificate));
      for (const field of ['subject', 'serial', 'fingerprint'] as const)
        expect(new Set(parsed.map((one) => one[field])).size).toBe(3);
      expect(made[0]?.subject).toMatch(/^CN=orders peer-1 [0-9a-f]{8}$/);
      expect(made[0]).toMatchObject({ name: 'peer-1', notBeforeMs: startMs - 600_000, notAfterMs: startMs + dayMs });
      expect(Object.keys(await keystore.authorities('orders'))).toEqual(['peer-1', 'peer-2']);
    }));

  test('the second call, and a second keystore on the folder, give the first one', () =>
    inKeystore(async (keystore, folder, clock) => {
      const first = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      clock.set(startMs + 5000);
      expect(await keystore.ensureAuthority('orders', 'peer-1', 2 * dayMs)).toEqual(first);
      const other = await openFileKeystore({ folder, clock });
      expect(await other.ensureAuthority('orders', 'peer-1', dayMs)).toEqual(first);
      expect(await other.authorities('orders')).toEqual({ 'peer-1': first });
    }));

  test('only their owner can read what they are kept in, and no key is told', () =>
    inKeystore(async (keystore, folder) => {
      const authority = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      expect(JSON.stringify([authority, await keystore.authorities('orders')])).not.toContain('PRIVATE KEY');
      for (const path of [folder, join(folder, 'orders')]) expect(await modeOf(path)).toBe('700');
      expect(await modeOf(join(folder, 'orders', 'peer-1.pem'))).toBe('600');
    }));

  test('names that would leave the folder are refused', () =>
    inKeystore(async (keystore) => {
      for (const name of ['..', '../x', 'a/b', '', 'A', 'a.pem', '-a', 'x'.repeat(64)]) {
        expect(await codeOf(() => keystore.ensureAuthority(name, 'peer-1', dayMs))).toBe('name-invalid');
        expect(await codeOf(() => keystore.ensureAuthority('orders', name, dayMs))).toBe('name-invalid');
        expect(await codeOf(() => keystore.authorities(name))).toBe('name-invalid');
      }
      const longest = await keystore.ensureAuthority('x'.repeat(63), 'y'.repeat(63), dayMs);
      expect(longest.subject.length).toBeLessThanOrEqual('CN='.length + 64);
    }));

  test('calls at the same time end with one', () =>
    inKeystore(async (keystore, folder) => {
      const made = await Promise.all(
        Array.from({ length: 8 }, () => keystore.ensureAuthority('orders', 'peer-1', dayMs)),
      );
      expect(new Set(made.map((authority) => authority.fingerprint)).size).toBe(1);
      expect(await readdir(join(folder, 'orders'))).toEqual(['peer-1.pem']);
    }));

  test('processes at the same time end with one', () =>
    inKeystore(async (keystore, folder) => {
      const script = fileURLToPath(new URL('ensure-authority.child.ts', import.meta.url));
      const children = Array.from({ length: 3 }, () => spawn(process.execPath, ['--import', 'tsx', script, folder]));
      try {
        await Promise.all(children.map(nextLine));
        const answers = children.map(nextLine);
        for (const child of children) child.stdin.write('go\n');
        const seen = new Set(await Promise.all(answers));
        expect([...seen]).toEqual([(await keystore.authorities('orders'))['peer-1']?.fingerprint]);
        expect(await readdir(join(folder, 'orders'))).toEqual(['peer-1.pem']);
      } finally {
        for (const child of children) child.kill('SIGKILL');
      }
    }));
});

/** The next line of a child's output; rejects when it ends before. */
async function nextLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const ended = once(child, 'close').then(() => {
    throw new Error(`the child ended: ${Buffer.concat(errors).toString()}`);
  });
  const chunks: readonly unknown[] = await Promise.race([once(child.stdout, 'data'), ended]);
  return String(chunks[0]).trim();
}

describe('leaves', () => {
  const issue = async (
    keystore: Keystore,
    part: { csr?: string; commonName?: string; sans?: string[]; validityMs?: number },
  ) => {
    const { key, csr } = await createKeyAndCsr('ecdsa-p256');
    const request = { csr, commonName: 'a', sans: [...memberNames('a', '10.0.0.1')], validityMs: dayMs, ...part };
    return { key, certificate: await keystore.issueLeaf('orders', 'peer-1', request) };
  };

  test('can be used by etcd, and carry the names that were asked for, not those of the request', () =>
    inKeystore(async (keystore) => {
      const authority = await keystore.ensureAuthority('orders', 'peer-1', 30 * dayMs);
      const leaf = await issue(keystore, {});
      const names = ['a', '10.0.0.1', 'localhost', '127.0.0.1', '::1'];
      const parsed = checkLeaf({ ...leaf, trust: authority.certificate, nowMs: startMs, names });
      expect(parsed).toMatchObject({ subject: 'CN=a', issuer: authority.subject, sans: names, keyType: 'ecdsa-p256' });
      expect([parsed.notBeforeMs, parsed.notAfterMs]).toEqual([startMs - 600_000, startMs + dayMs]);
      expect(parseCertificate((await issue(keystore, {})).certificate).serial).not.toBe(parsed.serial);
    }));

  test('never outlive their authority, and end with it', () =>
    inKeystore(async (keystore, _folder, clock) => {
      const authority = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      const leaf = parseCertificate((await issue(keystore, { validityMs: 90 * dayMs })).certificate);
      expect([leaf.notBeforeMs, leaf.notAfterMs]).toEqual([authority.notBeforeMs, authority.notAfterMs]);
      clock.set(authority.notAfterMs);
      expect(await codeOf(() => issue(keystore, {}))).toBe('authority-expired');
      clock.set(authority.notBeforeMs - 1);
      expect(await codeOf(() => issue(keystore, {}))).toBe('authority-expired');
    }));

  test('an authority that was never made does not sign', () =>
    inKeystore(async (keystore) => {
      expect(await codeOf(() => issue(keystore, {}))).toBe('authority-not-found');
    }));

  test('bad requests and bad names are refused', () =>
    inKeystore(async (keystore) => {
      await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      expect(await codeOf(() => issue(keystore, { csr: 'x' }))).toBe('csr-invalid');
      for (const commonName of ['', 'a,O=x', 'a\nb', '#0401', 'x'.repeat(65)])
        expect(await codeOf(() => issue(keystore, { commonName }))).toBe('name-invalid');
      for (const name of ['*', '*.example.com', 'a b', 'a..b', '-a', 'fe80::1%eth0', 'http://x y', 'ö.example'])
        expect(await codeOf(() => issue(keystore, { sans: [name] }))).toBe('name-invalid');
      expect(await codeOf(() => issue(keystore, { sans: Array.from({ length: 65 }, (_, i) => `h${i}`) }))).toBe(
        'name-invalid',
      );
    }));
});

describe('keys at rest', () => {
  const read = (folder: string): Promise<string> => readFile(join(folder, 'orders', 'peer-1.pem'), 'utf8');
  const sign = async (keystore: Keystore): Promise<string> =>
    keystore.issueLeaf('orders', 'peer-1', {
      csr: (await createKeyAndCsr('ecdsa-p256')).csr,
      commonName: 'a',
      sans: ['a'],
      validityMs: 1000,
    });

  test('are encrypted under the passphrase, and sign again after a restart', () =>
    inKeystore(async (keystore, folder, clock) => {
      const authority = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      expect(await read(folder)).toMatch(/BEGIN ENCRYPTED PRIVATE KEY(?![\s\S]*BEGIN PRIVATE KEY)/);
      const again = await openFileKeystore({ folder, clock, passphrase });
      expect(await again.authorities('orders')).toEqual({ 'peer-1': authority });
      expect(parseCertificate(await sign(again)).issuer).toBe(authority.subject);
    }, passphrase));

  test('without the passphrase, or with another, nothing is told and nothing is added', () =>
    inKeystore(async (keystore, folder, clock) => {
      await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      const cases = [
        [undefined, 'keystore-passphrase-missing'],
        [new Secret('another long passphrase'), 'keystore-passphrase-wrong'],
      ] as const;
      for (const [secret, code] of cases) {
        const other = await openFileKeystore({ folder, clock, passphrase: secret });
        expect(await codeOf(() => other.authorities('orders'))).toBe(code);
        expect(await codeOf(() => sign(other))).toBe(code);
        expect(await codeOf(() => other.ensureAuthority('orders', 'peer-2', dayMs))).toBe(code);
      }
      expect(await readdir(join(folder, 'orders'))).toEqual(['peer-1.pem']);
    }, passphrase));

  test('those from before there was a passphrase are encrypted when they are next read', () =>
    inKeystore(async (keystore, folder, clock) => {
      const authority = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
      expect(await read(folder)).toContain('BEGIN PRIVATE KEY');
      const secured = await openFileKeystore({ folder, clock, passphrase });
      expect(await secured.authorities('orders')).toEqual({ 'peer-1': authority });
      expect(await read(folder)).not.toContain('BEGIN PRIVATE KEY');
      expect(await modeOf(join(folder, 'orders', 'peer-1.pem'))).toBe('600');
      expect(parseCertificate(await sign(secured)).issuer).toBe(authority.subject);
    }));
});
