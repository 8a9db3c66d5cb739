import { expect, test } from 'vitest';
import { checkLeaf, createKeyAndCsr, parseCertificate } from '../../../src/tls/leaf.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { clockAt, codeOf, dayMs, startMs } from './certificates.ts';

test('the same calls make the same authorities, other seeds and names make others', async () => {
  const [one, same, other] = [undefined, undefined, 'other'].map((seed) =>
    createMemoryKeystore({ clock: clockAt(1_700_000_000_000), seed }),
  );
  const made = await Promise.all(
    [one, same, other].map((keystore) => keystore?.ensureAuthority('orders', 'peer-1', dayMs)),
  );
  expect(made[0]).toEqual(made[1]);
  expect(made[2]?.fingerprint).not.toBe(made[0]?.fingerprint);
  expect((await one?.ensureAuthority('orders', 'peer-2', dayMs))?.subject).not.toBe(made[0]?.subject);
  expect(await one?.ensureAuthority('orders', 'peer-1', 2 * dayMs)).toEqual(made[0]);
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
