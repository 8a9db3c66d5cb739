/** Where a server listens. */
export interface ListenAddress {
  /** IP address or name, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[ipv6]:port`, as the schemas accept it. */
export function parseListenAddress(text: string): ListenAddress {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
}
