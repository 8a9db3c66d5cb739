import { expect, test } from 'vitest';
import { issueClientCredentials } from '../../../src/tls/client-credentials.ts';
import { checkLeaf, parseBundle } from '../../../src/tls/leaf.ts';
import { createMemoryKeystore } from '../../support/memory-keystore.ts';
import { clockAt, codeOf, dayMs, startMs } from './certificates.ts';

test('a client trusts all authorities of the spec, is signed by one, and is renewed at half its life', async () => {
  const clock = clockAt(startMs);
  const keystore = createMemoryKeystore({ clock });
  const [first, second] = [
    await keystore.ensureAuthority('orders', 'client-1', 30 * dayMs),
    await keystore.ensureAuthority('orders', 'client-2', 30 * dayMs),
  ];
  const request = { keystore, cluster: 'orders', trust: ['client-1', 'client-2'], issue: 'client-2', clock };
  const credentials = await issueClientCredentials(request);
  expect(parseBundle(credentials.ca).map((one) => one.fingerprint)).toEqual([first.fingerprint, second.fingerprint]);
  const parsed = checkLeaf({ ...credentials, trust: second.certificate, nowMs: startMs });
  expect(parsed).toMatchObject({ subject: 'CN=quorate-controller', sans: [], notAfterMs: startMs + dayMs });
  expect([credentials.renewAtMs, credentials.notAfterMs]).toEqual([startMs + dayMs / 2, startMs + dayMs]);

  const short = await issueClientCredentials({ ...request, commonName: 'quorate-operator', validityMs: 60 * dayMs });
  expect([short.renewAtMs, short.notAfterMs]).toEqual([startMs + 15 * dayMs, startMs + 30 * dayMs]);
});

test('an authority that is not there is named, not left out of the trust', async () => {
  const clock = clockAt(startMs);
  const keystore = createMemoryKeystore({ clock });
  await keystore.ensureAuthority('orders', 'client-1', dayMs);
  const request = { keystore, cluster: 'orders', clock };
  for (const names of [
    { trust: ['client-1', 'client-2'], issue: 'client-1' },
    { trust: ['client-1'], issue: 'client-2' },
  ])
    expect(await codeOf(() => issueClientCredentials({ ...request, ...names }))).toBe('authority-not-found');
});
