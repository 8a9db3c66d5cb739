import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chown, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QuorateError } from '../../base/errors.ts';
import { readFileIfExists, replaceFile, syncFolder } from '../../base/files.ts';
import type { CertificateAndKey } from '../../tls/fleet.ts';

const certificateMode = 0o644;
const keyMode = 0o600;

/** False also when one of them cannot be read. */
export function isPair({ certificate, key }: CertificateAndKey): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** Writes `path`.key and `path`.crt where none were. The certificate comes last: without it the pair does not count. */
export async function writePair(path: string, pair: CertificateAndKey): Promise<void> {
  await replaceFile(`${path}.key`, pair.key, keyMode);
  await replaceFile(`${path}.crt`, pair.certificate, certificateMode);
}

/**
 * Puts a new pair in the place of one that was read from there, which stays beside it as `.previous`. All is
 * written before anything is exchanged, and then by two renames: who dies between them leaves a key that
 * does not fit its certificate, which is seen, and mended by doing it again. Files keep their owner. Throws
 * `pair-torn` when somebody else exchanged the pair at the same time.
 */
export async function replacePair(
  path: string,
  pair: CertificateAndKey,
  former: { readonly certificate: string; readonly key: string | undefined },
): Promise<void> {
  const owner = await stat(`${path}.crt`);
  const write = async (file: string, content: string, mode: number): Promise<void> => {
    await replaceFile(file, content, mode);
    const { uid, gid } = await stat(file);
    if (uid !== owner.uid || gid !== owner.gid) await chown(file, owner.uid, owner.gid);
  };
  await write(`${path}.key.new`, pair.key, keyMode);
  await write(`${path}.crt.new`, pair.certificate, certificateMode);
  await keepFormer(path, former, write);
  await rename(`${path}.key.new`, `${path}.key`);
  await rename(`${path}.crt.new`, `${path}.crt`);
  await syncFolder(dirname(path));
  const [certificate, key] = [await readFileIfExists(`${path}.crt`), await readFileIfExists(`${path}.key`)];
  if (certificate !== undefined && key !== undefined && isPair({ certificate, key })) return;
  throw new QuorateError({
    code: 'pair-torn',
    kind: 'transient',
    operation: `write ${path}.crt`,
    summary: 'the key beside it does not fit: another program wrote both at the same time',
    remedy: 'Run this again.',
  });
}

/** A pair that does not fit is nothing to go back to: then the one before it stays. */
async function keepFormer(
  path: string,
  { certificate, key }: { readonly certificate: string; readonly key: string | undefined },
  write: (file: string, content: string, mode: number) => Promise<void>,
): Promise<void> {
  if (key !== undefined && !isPair({ certificate, key })) return;
  if (key === undefined) await rm(`${path}.key.previous`, { force: true });
  else await write(`${path}.key.previous`, key, keyMode);
  await write(`${path}.crt.previous`, certificate, certificateMode);
}
