import { createHash, createHmac } from 'node:crypto';

export interface SigningKey {
  readonly accessKey: string;
  readonly secretKey: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/**
 * Signs a request to S3 anew (AWS Signature Version 4), over the headers that it still has: what a gateway does that
 * drops some of them. Takes date, region and the body's hash from what the client had signed.
 */
export function signAgain(
  request: { readonly method: string; readonly path: string },
  headers: Readonly<Record<string, string>>,
  { accessKey, secretKey }: SigningKey,
): Readonly<Record<string, string>> {
  const scope = /Credential=[^/]+\/([^,]+)/.exec(headers['authorization'] ?? '')?.[1] ?? '';
  const [day = '', region = '', service = ''] = scope.split('/');
  const names = Object.keys(headers)
    .filter((name) => name === 'host' || name === 'range' || name.startsWith('x-amz-') || name.startsWith('if-'))
    .toSorted();
  const [path = '', query = ''] = request.path.split('?', 2);
  const parameters = query.split('&').filter((part) => part !== '');
  const canonical = [
    request.method,
    path,
    parameters
      .map((part) => (part.includes('=') ? part : `${part}=`))
      .toSorted()
      .join('&'),
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim()}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'] ?? '',
  ].join('\n');
  const key = [day, region, service, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secretKey}`);
  const toSign = ['AWS4-HMAC-SHA256', headers['x-amz-date'] ?? '', scope, sha256(canonical)].join('\n');
  const signature = hmac(key, toSign).toString('hex');
  const credential = `${accessKey}/${scope}`;
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}
