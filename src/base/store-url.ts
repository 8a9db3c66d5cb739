import { fileURLToPath } from 'node:url';

/** Where a backup store is, as its URL says. */
export type StoreLocation =
  | { readonly type: 'file' /** Absolute, without a slash at its end. */; readonly folder: string }
  | S3Location;

export interface S3Location {
  readonly type: 's3';
  readonly bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string;
  readonly region?: string | undefined;
  /** Of a server that is not Amazon's: `https://s3.example.com:9000`. */
  readonly endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`; the default with an endpoint. */
  readonly pathStyle: boolean;
  /** Server-side encryption. */
  readonly sse?: 'AES256' | 'aws:kms' | undefined;
  readonly sseKmsKeyId?: string | undefined;
}

export type ParsedStoreUrl =
  | { readonly valid: true; readonly location: StoreLocation }
  | { readonly valid: false /** For people: what is wrong. */; readonly reason: string };

const parameters = ['region', 'endpoint', 'pathStyle', 'sse', 'sseKmsKeyId'];

/** `file:///var/backups/etcd`, or `s3://bucket/prefix?region=…&endpoint=https://…&pathStyle=true&sse=AES256`. */
export function parseStoreUrl(url: string): ParsedStoreUrl {
  if (/(^|\/)(\.|%2e){1,2}(\/|$|\?)/i.test(url)) return invalid('it has "." or ".." in its path');
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:') return folderOf(parsed);
  if (parsed?.protocol === 's3:') return bucketOf(parsed);
  return invalid('it is neither a file:// nor an s3:// URL');
}

function folderOf(url: URL): ParsedStoreUrl {
  if (url.host !== '') return invalid(`it names a host (${url.host}), which a folder does not have`);
  if (url.search !== '' || url.hash !== '') return invalid('a folder takes no parameters');
  let path: string;
  try {
    path = fileURLToPath(url);
  } catch (error) {
    return invalid(error instanceof Error ? error.message : 'it cannot be read as a path');
  }
  const folder = path.length > 1 ? path.replace(/\/+$/, '') : path;
  if (!folder.startsWith('/') || folder === '/' || folder.includes('\0')) return invalid('it names no folder');
  return { valid: true, location: { type: 'file', folder } };
}

function bucketOf(url: URL): ParsedStoreUrl {
  const bucket = url.hostname;
  if (url.username !== '' || url.password !== '')
    return invalid(
      'it holds credentials; they come from the environment, from files or from the machine, never from Git',
    );
  if (url.port !== '') return invalid('a bucket has no port; write the server as endpoint=https://host:port');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket))
    return invalid(`${JSON.stringify(bucket)} is no name of a bucket`);
  if (url.hash !== '') return invalid('it has a fragment (#…)');
  const unknown = [...url.searchParams.keys()].find((name) => !parameters.includes(name));
  if (unknown !== undefined) return invalid(`${JSON.stringify(unknown)} is none of ${parameters.join(', ')}`);
  const twice = parameters.find((name) => url.searchParams.getAll(name).length > 1);
  if (twice !== undefined) return invalid(`${twice} stands in it twice`);
  let prefix: string;
  try {
    prefix = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, '');
  } catch {
    return invalid('its path is not encoded properly');
  }
  // Once more: a slash may have been encoded.
  if (/(^|\/)\.{1,2}(\/|$)/.test(prefix)) return invalid('it has "." or ".." in its path');
  if (prefix.includes('//') || !/^[\w!.*'()/ +=:,@-]*$/.test(prefix))
    return invalid('its path holds signs that keys should not have');
  const value = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const endpoint = value('endpoint');
  if (endpoint !== undefined && !isEndpoint(endpoint)) return invalid('endpoint is not of the form https://host:port');
  const pathStyle = value('pathStyle');
  if (pathStyle !== undefined && pathStyle !== 'true' && pathStyle !== 'false')
    return invalid('pathStyle is true or false');
  const region = value('region');
  if (region !== undefined && !/^[a-z0-9-]{1,64}$/.test(region)) return invalid('region is no name of a region');
  const sse = value('sse');
  if (sse !== undefined && sse !== 'AES256' && sse !== 'aws:kms') return invalid('sse is AES256 or aws:kms');
  const sseKmsKeyId = value('sseKmsKeyId');
  if (sseKmsKeyId !== undefined && sse !== 'aws:kms') return invalid('sseKmsKeyId needs sse=aws:kms');
  return {
    valid: true,
    location: {
      type: 's3',
      bucket,
      prefix,
      pathStyle: pathStyle === undefined ? endpoint !== undefined : pathStyle === 'true',
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint: endpoint.replace(/\/+$/, '') }),
      ...(sse === undefined ? {} : { sse }),
      ...(sseKmsKeyId === undefined ? {} : { sseKmsKeyId }),
    },
  };
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(text);
  return (
    /^https?:$/.test(protocol) && username === '' && password === '' && pathname === '/' && search === '' && hash === ''
  );
}

function invalid(reason: string): ParsedStoreUrl {
  return { valid: false, reason };
}
