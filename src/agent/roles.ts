/** Who a peer is, by the URI in its certificate. Being signed by the fleet's CA alone gives no right. */
export type Role = 'controller' | 'operator';

const roleUris: Readonly<Record<string, Role>> = {
  'quorate://controller': 'controller',
  'quorate://operator': 'operator',
};

/**
 * URIs among the subject alternative names as Node prints them: `DNS:a, URI:b, DNS:"c, d"`. Values with
 * special characters are quoted as in JSON, so that a DNS name cannot pass itself off as a URI; the text is
 * read from the left, and what does not read gives no URI at all.
 */
export function alternativeUris(text: string): readonly string[] {
  const uris: string[] = [];
  const entry = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(, |$)/y;
  while (entry.lastIndex < text.length) {
    const match = entry.exec(text);
    if (match === null) return [];
    if (match[1] === 'URI' && match[2] !== undefined && !match[2].startsWith('"')) uris.push(match[2]);
  }
  return uris;
}

/** Undefined for a certificate that may do nothing here. With both roles the stronger one counts. */
export function roleOf(subjectAltName: string | undefined): Role | undefined {
  const roles = alternativeUris(subjectAltName ?? '').map((uri) => roleUris[uri]);
  return roles.includes('controller') ? 'controller' : roles.find((role) => role !== undefined);
}

export function mayDo(role: Role | undefined, method: string): boolean {
  if (role === 'controller') return ['GET', 'HEAD', 'POST', 'PUT'].includes(method);
  return role === 'operator' && (method === 'GET' || method === 'HEAD');
}
