import { X509Certificate } from 'node:crypto';
import { describeError } from '../../base/errors.ts';
import { parseCertificate } from '../../tls/leaf.ts';
import { renewalDueAtMs } from '../../tls/renewal.ts';
import type { FleetFile } from './folder.ts';
import { isPair } from './pair.ts';

/**
 * - `due`: two thirds of its life are over
 * - `torn`: the key beside it is not its key
 * - `stranger`: not signed by the authority of this fleet
 */
export type CertificateState = 'good' | 'due' | 'expired' | 'torn' | 'stranger' | 'unreadable';

export interface CertificateReport {
  readonly state: CertificateState;
  /** Milliseconds since the epoch; null when the certificate cannot be read. */
  readonly notAfterMs: number | null;
  readonly renewAtMs: number | null;
  /** What a person should know about the state; empty for `good`. */
  readonly detail: string;
}

/** What there is to say about a certificate of the fleet. Never throws: one bad file hides no other. */
export function reportOn(file: FleetFile, authority: string, nowMs: number): CertificateReport {
  try {
    const parsed = parseCertificate(file.certificate);
    const { notAfterMs } = parsed;
    const renewAtMs = renewalDueAtMs(parsed);
    const report = (state: CertificateState, detail: string): CertificateReport => ({
      state,
      notAfterMs,
      renewAtMs,
      detail,
    });
    if (file.key !== undefined && !isPair({ certificate: file.certificate, key: file.key }))
      return report('torn', 'the key beside it does not fit; renew it');
    if (!isSignedBy(file.certificate, authority))
      return report('stranger', 'not signed by pki/ca.crt; renew it with --all');
    if (nowMs > notAfterMs) return report('expired', 'nobody accepts it any more; renew it');
    if (nowMs >= renewAtMs) return report('due', 'two thirds of its life are over; renew it');
    return report('good', '');
  } catch (error) {
    return { state: 'unreadable', notAfterMs: null, renewAtMs: null, detail: describeError(error) };
  }
}

function isSignedBy(certificate: string, authority: string): boolean {
  const [leaf, issuer] = [new X509Certificate(certificate), new X509Certificate(authority)];
  return leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey);
}
