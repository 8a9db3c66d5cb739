import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import type { KeyType } from '../../../src/spec/cluster-spec.ts';
import {
  backdateMs,
  type LeafUsage,
  makeAuthority,
  makeLeaf,
  publicKeyOfCsr,
  type Signer,
} from '../../../src/tls/issue.ts';
import { generateKeys } from '../../../src/tls/keys.ts';
import { createKeyAndCsr } from '../../../src/tls/leaf.ts';

export const dayMs = 24 * 3_600_000;
/** A whole second, as certificates have it. */
export const startMs = Math.floor(Date.now() / 1000) * 1000;

export function clockAt(nowMs: number): Clock & { set(ms: number): void } {
  let current = nowMs;
  return {
    now: () => current,
    monotonic: () => current,
    sleep: async () => undefined,
    set: (ms) => {
      current = ms;
    },
  };
}

export interface TestAuthority extends Signer {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export async function authorityOf(
  commonName: string,
  lifeMs = 30 * dayMs,
  fromMs = startMs - backdateMs,
): Promise<TestAuthority> {
  const keys = await generateKeys('ecdsa-p256');
  const validity = { notBeforeMs: fromMs, notAfterMs: fromMs + lifeMs };
  const certificate = await makeAuthority({ commonName, keys, keyType: 'ecdsa-p256', ...validity });
  return { certificate, key: keys.privateKey, keyType: 'ecdsa-p256', ...validity };
}

export interface TestLeafOptions {
  readonly keyType?: KeyType;
  readonly usages?: readonly LeafUsage[];
  readonly sans?: readonly string[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

export async function leafOf(
  authority: Signer,
  options: TestLeafOptions = {},
): Promise<{ readonly certificate: string; readonly key: string }> {
  const { key, csr } = await createKeyAndCsr(options.keyType ?? 'ecdsa-p256');
  const certificate = await makeLeaf(authority, {
    commonName: 'a',
    sans: options.sans ?? ['a', 'localhost', '127.0.0.1', '::1'],
    usages: options.usages ?? ['server', 'client'],
    publicKey: await publicKeyOfCsr(csr),
    notBeforeMs: options.notBeforeMs ?? startMs - backdateMs,
    notAfterMs: options.notAfterMs ?? startMs + dayMs,
  });
  return { certificate, key };
}

/** Code of the QuorateError that is thrown; fails the test when something else comes. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof QuorateError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-tls-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
