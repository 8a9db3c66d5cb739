import { createHash } from 'node:crypto';
import { QuorateError } from '../../../src/base/errors.ts';
import type { KeyType } from '../../../src/spec/cluster-spec.ts';
import type { Authority, Keystore, LeafRequest } from '../../../src/tls/keystore.ts';
import type { WorldState } from './state.ts';

/** Authorities and leaves as JSON lines: all that plans and agents look at, without the arithmetic. */
export interface PaperAuthority {
  readonly name: string;
  readonly fingerprint: string;
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface PaperLeaf {
  readonly fingerprint: string;
  readonly serial: string;
  readonly issuer: string;
  readonly authority: string;
  readonly sans: readonly string[];
  readonly keyType: KeyType;
  readonly key: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface PaperRequest {
  readonly key: string;
  readonly keyType: KeyType;
}

/** A short stable digest, used for everything that needs an id. */
export function digest(text: string, length = 64): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

export function render(kind: 'authority' | 'leaf' | 'request', value: object): string {
  return `paper ${kind} ${JSON.stringify(value)}\n`;
}

/** All papers of a kind in a text. Throws `not-pem` for anything else, as the agent does. */
export function parse<T>(kind: 'authority' | 'leaf' | 'request', text: string): readonly T[] {
  const head = `paper ${kind} `;
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length === 0 || lines.some((line) => !line.startsWith(head))) {
    throw new QuorateError({ code: 'not-pem', kind: 'invalid', operation: `read ${kind}`, summary: 'it holds none' });
  }
  return lines.map((line) => JSON.parse(line.slice(head.length)) as T);
}

/** The controller's keystore of a world; outlives the controller. */
export function paperKeystore(state: WorldState): Keystore {
  return {
    authorities: async () =>
      Object.fromEntries(Object.entries(state.authorities).map(([name, paper]) => [name, authorityOf(paper)])),
    ensureAuthority: async (cluster, name, validityMs) => {
      const paper = state.authorities[name] ?? {
        name,
        fingerprint: digest(`authority ${cluster} ${name} ${state.nowMs}`),
        subject: `CN=${cluster} ${name}`,
        notBeforeMs: state.nowMs,
        notAfterMs: state.nowMs + validityMs,
      };
      state.authorities[name] = paper;
      return authorityOf(paper);
    },
    issueLeaf: async (cluster, name, request) => {
      const authority = state.authorities[name];
      if (authority === undefined) {
        throw new QuorateError({
          code: 'authority-not-found',
          kind: 'stalled',
          operation: `issue a leaf for ${cluster}`,
          summary: `there is no authority ${name}`,
        });
      }
      return render('leaf', makeLeaf(state, authority, request));
    },
  };
}

function authorityOf(paper: PaperAuthority): Authority {
  return { ...paper, certificate: render('authority', paper) };
}

function makeLeaf(state: WorldState, authority: PaperAuthority, request: LeafRequest): PaperLeaf {
  state.leavesIssued += 1;
  const [csr] = parse<PaperRequest>('request', request.csr);
  const serial = digest(`${authority.fingerprint} ${state.leavesIssued}`, 32);
  return {
    fingerprint: digest(`leaf ${serial}`),
    serial,
    issuer: authority.subject,
    authority: authority.fingerprint,
    sans: request.sans,
    keyType: csr?.keyType ?? 'ecdsa-p256',
    key: csr?.key ?? '',
    notBeforeMs: state.nowMs,
    notAfterMs: Math.min(state.nowMs + request.validityMs, authority.notAfterMs),
  };
}
