import { rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { QuorateError } from '../base/errors.ts';
import { readFileIfExists, replaceFile } from '../base/files.ts';
import type { TrustDomain } from '../spec/cluster-spec.ts';
import { checkLeaf, createKeyAndCsr, parseBundle, parseCertificate } from '../tls/leaf.ts';
import type { LoadedTrust } from './claim.ts';
import { tlsPaths } from './paths.ts';
import { storageError } from './state-file.ts';
import type { CertificateFacts, CsrRequest, InstallCertificateRequest, TrustRequest } from './wire.ts';

const domains: readonly TrustDomain[] = ['peer', 'client'];
const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
const keyBlock = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/;

/** Certificates, keys and trust of one member. Keys are made here and never leave. */
export class TlsFolder {
  readonly #folder: string;

  readonly #clock: Clock;

  readonly #cache = new Map<string, { readonly text: string; readonly value: unknown }>();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** An empty trust file would be accepted by etcd, which then turns everyone away: it is checked first. */
  async writeTrust(request: TrustRequest): Promise<void> {
    const bundle = certificatesOf(request.bundle);
    parseBundle(bundle);
    await write(tlsPaths(this.#folder, request.domain).trust, bundle);
  }

  /** A second CSR replaces the pending key of the first. */
  async createCsr(request: CsrRequest): Promise<string> {
    const made = await createKeyAndCsr(request.keyType);
    await write(tlsPaths(this.#folder, request.domain).pendingKey, made.key);
    return made.csr;
  }

  /** The same certificate again is a no-op, so that a lost answer can be asked for again. */
  async install(request: InstallCertificateRequest): Promise<CertificateFacts> {
    const paths = tlsPaths(this.#folder, request.domain);
    const certificate = certificatesOf(request.certificate);
    const current = await read(paths.leaf);
    if (current === undefined || certificatesOf(current) !== certificate) {
      const key = await read(paths.pendingKey);
      if (key === undefined) throw noPendingKey(request.domain);
      const trust = await read(paths.trust);
      if (trust === undefined) throw certificateMissing([paths.trust]);
      checkLeaf({ certificate, key, trust, nowMs: this.#clock.now() });
      if (current !== undefined) await write(paths.previousLeaf, current);
      await write(paths.leaf, `${certificate}${key.trim()}\n`);
    }
    await rm(paths.pendingKey, { force: true });
    const facts = await this.facts(request.domain, []);
    if (facts === null) throw certificateMissing([paths.leaf]);
    return facts;
  }

  /** Null when there is no leaf, or none that can be read. */
  async facts(domain: TrustDomain, trustLoaded: readonly string[]): Promise<CertificateFacts | null> {
    const leaf = await read(tlsPaths(this.#folder, domain).leaf);
    const first = leaf?.match(certificateBlock)?.[0];
    if (first === undefined) return null;
    try {
      const { fingerprint, serial, issuer, sans, notBeforeMs, notAfterMs, keyType } = this.#parsed(
        'leaf',
        domain,
        first,
        parseCertificate,
      );
      const trust = await this.#fingerprints(domain);
      return { fingerprint, serial, issuer, sans, notBeforeMs, notAfterMs, keyType, trust, trustLoaded };
    } catch (error) {
      if (error instanceof QuorateError && error.code !== 'storage-failed') return null;
      throw error;
    }
  }

  /** What a process that starts now is going to load. */
  async trust(): Promise<LoadedTrust> {
    return { peer: await this.#fingerprints('peer'), client: await this.#fingerprints('client') };
  }

  /** Throws `certificate-missing` unless etcd would find everything it needs. */
  async requireComplete(): Promise<void> {
    const missing: string[] = [];
    for (const domain of domains) {
      const paths = tlsPaths(this.#folder, domain);
      const leaf = (await read(paths.leaf)) ?? '';
      if (!keyBlock.test(leaf) || leaf.match(certificateBlock) === null) missing.push(paths.leaf);
      if ((await this.#fingerprints(domain)).length === 0) missing.push(paths.trust);
    }
    if (missing.length > 0) throw certificateMissing(missing);
  }

  /** Facts are asked for all the time, and the files hardly ever change: what has the same text is parsed once. */
  #parsed<T>(kind: string, domain: TrustDomain, text: string, parse: (pem: string) => T): T {
    const key = `${kind} ${domain}`;
    const known = this.#cache.get(key);
    // The key fixes the kind, and the kind fixes what parse gives.
    if (known?.text === text) return known.value as T;
    const value = parse(text);
    this.#cache.set(key, { text, value });
    return value;
  }

  async #fingerprints(domain: TrustDomain): Promise<readonly string[]> {
    const bundle = await read(tlsPaths(this.#folder, domain).trust);
    if (bundle === undefined) return [];
    try {
      return this.#parsed('trust', domain, bundle, parseBundle).map((authority) => authority.fingerprint);
    } catch {
      // Present but unreadable is reported as trusting nobody, which is what etcd would make of it.
      return [];
    }
  }
}

/** Only the certificates of a PEM text: whatever else somebody pasted, a key above all, is not written. */
function certificatesOf(pem: string): string {
  return (pem.match(certificateBlock) ?? []).map((block) => `${block.replaceAll('\r\n', '\n')}\n`).join('');
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFileIfExists(path);
  } catch (error) {
    throw storageError(error, `read ${path}`);
  }
}

async function write(path: string, content: string): Promise<void> {
  try {
    await replaceFile(path, content);
  } catch (error) {
    throw storageError(error, `write ${path}`);
  }
}

function noPendingKey(domain: TrustDomain): QuorateError {
  return new QuorateError({
    code: 'no-pending-key',
    kind: 'refused',
    operation: `install a ${domain} certificate`,
    summary: 'no key waits for a certificate on this host',
    remedy: 'Ask for a new CSR first and install the certificate that is issued for it.',
  });
}

function certificateMissing(paths: readonly string[]): QuorateError {
  return new QuorateError({
    code: 'certificate-missing',
    kind: 'refused',
    operation: 'check the certificates of the member',
    summary: `missing or unusable: ${paths.join(', ')}; etcd would end at once, or turn everyone away`,
    remedy: 'Write the trust file and install a certificate for both domains, then start.',
  });
}
