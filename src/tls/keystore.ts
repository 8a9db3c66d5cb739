/** The controller's certificate authorities. The file one is `file-keystore.ts`; keys never leave it. */
export interface Keystore {
  /** Authorities made so far for a cluster, by name; empty for a new cluster. */
  authorities(cluster: string): Promise<Readonly<Record<string, Authority>>>;
  /** Makes a self-signed authority with its own subject, key and serial; gives the existing one when there is one. */
  ensureAuthority(cluster: string, name: string, validityMs: number): Promise<Authority>;
  /** Signs a leaf. Names come from the caller, only the public key from the CSR, whose signature is checked. */
  issueLeaf(cluster: string, authority: string, request: LeafRequest): Promise<string>;
}

export interface Authority {
  readonly name: string;
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the DER, hexadecimal. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface LeafRequest {
  /** PEM. */
  readonly csr: string;
  readonly commonName: string;
  /** DNS names and IP addresses, told apart by their form. */
  readonly sans: readonly string[];
  readonly validityMs: number;
}

/** What a client presents and trusts when it talks to one cluster. PEM throughout. */
export interface ClientCredentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}
