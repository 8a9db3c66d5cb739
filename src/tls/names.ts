import { isIP, isIPv6 } from 'node:net';

/** How a name in a certificate is told apart: by its form. */
export type NameKind = 'dns' | 'ip' | 'url';

export function nameKind(name: string): NameKind {
  if (isIP(name) !== 0) return 'ip';
  return name.includes('://') ? 'url' : 'dns';
}

/**
 * One spelling for each name, so that what a certificate holds and what a file says can be compared:
 * IPv6 addresses compressed (RFC 5952), DNS names in lower case, anything else as it is.
 */
export function canonicalName(name: string): string {
  // The URL parser is the only public way in Node to the canonical form of an IPv6 address.
  if (isIPv6(name) && !name.includes('%')) return new URL(`http://[${name}]`).hostname.slice(1, -1);
  return nameKind(name) === 'dns' ? name.toLowerCase() : name;
}

/** The names that every leaf of a member carries: its host's name and address, and the loopback ones. */
export function memberNames(host: string, address: string): readonly string[] {
  return [...new Set([host, address, 'localhost', '127.0.0.1', '::1'].map(canonicalName))];
}
