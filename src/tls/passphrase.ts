import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import { readFileIfExists } from '../base/files.ts';
import { Secret } from '../base/redact.ts';

/** Holds the passphrase itself; wins over the file. */
const passphraseVariable = 'QUORATE_KEYSTORE_PASSPHRASE';
// PKCS#8 stretches a passphrase little, so the passphrase has to be strong itself.
const minLength = 16;
const maxLength = 1024;

/** 256 random bits as 43 characters. */
export function generatePassphrase(): Secret {
  return new Secret(randomBytes(32).toString('base64url'));
}

/**
 * The passphrase of the keystore: from the environment, else from the file, else none, and then keys
 * are protected by file permissions alone. Throws `passphrase-unreadable` and `passphrase-weak`.
 */
export async function readPassphrase(
  environment: Readonly<Record<string, string | undefined>>,
  file: string | undefined,
): Promise<Secret | undefined> {
  const given = environment[passphraseVariable];
  if (given !== undefined && given !== '') return checked(given, passphraseVariable);
  if (file === undefined) return undefined;
  const operation = `read the passphrase of the keystore from ${file}`;
  const text = await readSecretFile(file, operation);
  // Editors end a file with a line break, which is no part of the passphrase.
  return checked(text.replace(/\r?\n$/, ''), file);
}

async function readSecretFile(file: string, operation: string): Promise<string> {
  let mode: number;
  let text: string | undefined;
  try {
    mode = (await stat(file)).mode;
    text = await readFileIfExists(file);
  } catch (error) {
    throw asQuorateError(error, {
      code: 'passphrase-unreadable',
      kind: 'stalled',
      operation,
      remedy: 'Put the file back; the authorities of every cluster are encrypted under it.',
    });
  }
  if (text !== undefined && (mode & 0o077) === 0) return text;
  throw new QuorateError({
    code: 'passphrase-unreadable',
    kind: 'stalled',
    operation,
    summary: `others may access the file (mode ${(mode & 0o777).toString(8)}), so it keeps no secret`,
    remedy: `chmod 600 ${file}`,
  });
}

function checked(text: string, source: string): Secret {
  if (text.length >= minLength && text.length <= maxLength) return new Secret(text);
  throw new QuorateError({
    code: 'passphrase-weak',
    kind: 'invalid',
    operation: 'read the passphrase of the keystore',
    summary: `${source} gives ${text.length} characters; ${minLength} to ${maxLength} are needed`,
    remedy: 'Use a random one, for example: openssl rand -base64 32',
  });
}
