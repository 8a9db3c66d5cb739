import { QuorateError } from '../base/errors.ts';

// A part may not start with a dot: names such as `.quorate-work` are the store's own.
const partPattern = /^[A-Za-z0-9_][A-Za-z0-9_.:+@=-]{0,199}$/;
const maxKeyLength = 600;
const maxParts = 8;

/** Three objects per backup and one per run: more than 60 000 backups. */
export const maxStoredObjects = 200_000;

/** Most bytes of an object that `read` and `write` handle. */
export const maxSmallObjectBytes = 1024 * 1024;

export function isKey(key: string): boolean {
  const parts = key.split('/');
  return key.length <= maxKeyLength && parts.length <= maxParts && parts.every((part) => partPattern.test(part));
}

/** Rejects with code `store-key-invalid` what could leave the store's prefix or hide in it. */
export function checkKey(key: string): void {
  if (!isKey(key)) throw invalidKey(key);
}

/** A prefix is empty, ends with `/`, or is the beginning of a key. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '' && !isKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)) throw invalidKey(prefix);
}

function invalidKey(key: string): QuorateError {
  return new QuorateError({
    code: 'store-key-invalid',
    kind: 'invalid',
    operation: 'name an object of the backup store',
    summary: `${JSON.stringify(key.slice(0, 200))} is not a key: parts of letters, digits and _ . : + @ = - that do not start with a dot, joined by /`,
    remedy: 'Give a name as `quorate backup list` shows it.',
  });
}
