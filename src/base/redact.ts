import { createHash } from 'node:crypto';
import { inspect } from 'node:util';

/**
 * A value that must not reach a log, a plan or an error. Printing it in any way shows the first
 * digits of its SHA-256 instead, enough to tell whether it changed. Only `reveal` gives it out.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `(secret, sha256:${createHash('sha256').update(this.#value).digest('hex').slice(0, 12)}…)`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** Removes what looks like a private key, or credentials in a URL, from text that came from elsewhere. */
export function redact(text: string): string {
  return text
    .replaceAll(
      /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]*?(-----END \1-----|$)/g,
      '-----BEGIN $1----- (redacted) -----END $1-----',
    )
    .replaceAll(/((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}:\/\/)[^/\s@]{1,500}@/gi, '$1(redacted)@');
}
