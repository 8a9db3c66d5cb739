/** When the part of a certificate's life is over after which it is renewed. */
const renewAtPart = 2 / 3;
/** The leaves of a cluster were made together; this part of their life spreads their renewals. */
const jitterPart = 1 / 20;

/**
 * When a leaf is due for renewal, in milliseconds since the epoch: two thirds of its life, earlier by up
 * to a twentieth of it. How much earlier follows from the serial, so that every look gives the same answer.
 */
export function renewalDueAtMs(certificate: {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly serial: string;
}): number {
  const lifeMs = certificate.notAfterMs - certificate.notBeforeMs;
  return Math.round(certificate.notBeforeMs + lifeMs * (renewAtPart - jitterPart * fractionOf(certificate.serial)));
}

/** FNV-1a of a text as a number from 0 to below 1; no secret hangs on it, so a hash of cryptography is not needed. */
function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash / 2 ** 32;
}
