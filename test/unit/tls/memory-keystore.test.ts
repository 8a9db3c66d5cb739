import { expect, test } from 'vitest';
import type { Authority } from '../../../src/tls/keystore.ts';
import { checkLeaf, createKeyAndCsr, parseCertificate } from '../../../src/tls/leaf.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { clockAt, codeOf, dayMs, startMs } from './certificates.ts';

test('the same calls make the same authorities, other seeds and names make others', async () => {
  const make = async (seed?: string): Promise<readonly Authority[]> => {
    const keystore = createMemoryKeystore({ clock: clockAt(1_700_000_000_000), seed });
    const first = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
    expect(await keystore.ensureAuthority('orders', 'peer-1', 2 * dayMs)).toEqual(first);
    return [first, await keystore.ensureAuthority('orders', 'peer-2', dayMs)];
  };
  const [one, same, other] = [await make(), await make(), await make('other')];
  expect(same).toEqual(one);
  expect(new Set([...one, ...other].map((authority) => authority.fingerprint)).size).toBe(4);
});

test('its leaves are real', async () => {
  const keystore = createMemoryKeystore({ clock: clockAt(startMs) });
  const authority = await keystore.ensureAuthority('orders', 'peer-1', dayMs);
  expect(await keystore.authorities('orders')).toEqual({ 'peer-1': authority });
  const { key, csr } = await createKeyAndCsr('ecdsa-p256');
  const request = { csr, commonName: 'a', sans: ['a'], validityMs: 2 * dayMs };
  const certificate = await keystore.issueLeaf('orders', 'peer-1', request);
  const parsed = checkLeaf({ certificate, key, trust: authority.certificate, nowMs: startMs, names: ['a'] });
  expect(parsed.notAfterMs).toBe(authority.notAfterMs);
  expect(parseCertificate(await keystore.issueLeaf('orders', 'peer-1', request)).serial).not.toBe(parsed.serial);
  expect(await codeOf(() => keystore.issueLeaf('orders', 'peer-2', request))).toBe('authority-not-found');
});
