import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../base/files.ts';
import type { TrustDomain } from '../spec/cluster-spec.ts';
import type { ProcessIdentity } from './runtime.ts';
import { type StateFile, stateFile, storageError } from './state-file.ts';

/** Fingerprints of the authorities in the trust files at the moment of a start; etcd reads them only then. */
export type LoadedTrust = Readonly<Record<TrustDomain, readonly string[]>>;

/**
 * The note about the process of a member. It is written twice: before the start without an identity, so
 * that a process found later without one can still be described, and after it with the identity.
 */
export interface Claim {
  readonly identity: ProcessIdentity | null;
  readonly startedAtMs: number;
  readonly version: string;
  readonly trust: LoadedTrust;
}

const fingerprints = { type: 'array', maxItems: 1000, items: { type: 'string' } };

export const claimFile: StateFile<Claim> = stateFile<Claim>({
  type: 'object',
  additionalProperties: false,
  required: ['identity', 'startedAtMs', 'version', 'trust'],
  properties: {
    identity: {
      type: ['object', 'null'],
      additionalProperties: false,
      required: ['pid', 'startTicks', 'bootId'],
      properties: {
        pid: { type: 'integer', minimum: 2 },
        startTicks: { type: 'integer', minimum: 0 },
        bootId: { type: 'string' },
      },
    },
    startedAtMs: { type: 'number' },
    version: { type: 'string' },
    trust: {
      type: 'object',
      additionalProperties: false,
      required: ['peer', 'client'],
      properties: { peer: fingerprints, client: fingerprints },
    },
  },
});

/** Gone for good when it resolves. */
export async function removeClaim(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await syncFolder(dirname(path));
  } catch (error) {
    throw storageError(error, `remove ${path}`);
  }
}
