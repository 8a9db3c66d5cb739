import { readFile } from 'node:fs/promises';
import { asQuorateError, QuorateError } from '../base/errors.ts';
import type { ClientCredentials } from '../tls/keystore.ts';

/** An etcd that no spec describes, as options name it. */
export interface AnyEtcdOptions {
  readonly endpoints: readonly string[];
  readonly cacert?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface AnyEtcd {
  readonly endpoints: readonly string[];
  readonly credentials: Partial<ClientCredentials>;
}

/** Reads the files. Throws `options-unclear` and `file-unreadable`; `option` names the endpoints' one in them. */
export async function readAnyEtcd(option: string, options: AnyEtcdOptions): Promise<AnyEtcd> {
  checkOptions(option, options);
  const [ca, certificate, key] = await Promise.all([options.cacert, options.cert, options.key].map(readPem));
  return {
    endpoints: options.endpoints.map((url) => url.replace(/\/$/, '')),
    credentials: {
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { certificate }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

function checkOptions(option: string, { endpoints, cacert, cert, key }: AnyEtcdOptions): void {
  const odd = endpoints.find((url) => !isEndpoint(url));
  if (endpoints.length === 0 || odd !== undefined)
    throw unclear(
      `${option}: ${JSON.stringify(odd ?? '')} is no client URL of the form https://host:2379 or http://host:2379`,
    );
  if ((cert === undefined) !== (key === undefined)) throw unclear(`${option}: a certificate and its key go together`);
  const isPlain = endpoints.every((url) => url.startsWith('http:'));
  if (isPlain && [cacert, cert, key].some((file) => file !== undefined))
    throw unclear(`${option}: certificates are of no use with http:// endpoints; write https://`);
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, host, username, password, pathname, search, hash } = new URL(text);
  const rest = [username, password, pathname === '/' ? '' : pathname, search, hash];
  return /^https?:$/.test(protocol) && host !== '' && rest.every((part) => part === '');
}

async function readPem(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw asQuorateError(error, { code: 'file-unreadable', kind: 'invalid', operation: `read ${file}` });
  }
}

function unclear(summary: string): QuorateError {
  return new QuorateError({ code: 'options-unclear', kind: 'invalid', operation: 'read the options', summary });
}
