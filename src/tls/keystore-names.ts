import { QuorateError } from '../base/errors.ts';

/** Names of clusters and authorities, which become names of folders and files. */
const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export function isKeystoreName(name: string): boolean {
  return namePattern.test(name);
}

/** Throws `name-invalid`. */
export function checkKeystoreName(kind: 'cluster' | 'authority', name: string): void {
  if (isKeystoreName(name)) return;
  throw new QuorateError({
    code: 'name-invalid',
    kind: 'invalid',
    operation: 'use keystore',
    summary: `${JSON.stringify(name.slice(0, 100))} is not a name of a ${kind}`,
    remedy: 'Use lower-case letters, digits and hyphens, 1 to 63 of them, a letter or digit at both ends.',
  });
}

/** What nobody signs with: an authority that was never made here. */
export function authorityNotFound(cluster: string, name: string): QuorateError {
  return new QuorateError({
    code: 'authority-not-found',
    kind: 'stalled',
    operation: `use authority ${name} of cluster ${cluster}`,
    summary: 'the keystore holds no such authority, so nothing can be signed with it',
    remedy: 'If the keystore was lost, restore it from your copy of the state folder.',
  });
}
