import { readFile } from 'node:fs/promises';
import { describeError, QuorateError } from '../base/errors.ts';

/** Paths of a program's own certificate. */
export interface IdentityFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** PEM. */
export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Reads the three files; throws `identity-unreadable`. */
export async function readIdentity(files: IdentityFiles): Promise<Identity> {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (error) {
      throw new QuorateError({
        code: 'identity-unreadable',
        kind: 'stalled',
        operation: `read ${path}`,
        summary: describeError(error),
        remedy: 'Put the certificate, its key and the CA of the fleet where the configuration says.',
        cause: error,
      });
    }
  };
  return { ca: await read(files.ca), cert: await read(files.cert), key: await read(files.key) };
}

export function isSameIdentity(a: Identity, b: Identity): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key;
}
