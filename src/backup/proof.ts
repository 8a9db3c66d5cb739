import type { BackupProof } from './store.ts';
import { type StoredKind, storedKind } from './stored-json.ts';

const count = { type: 'integer', minimum: 0 };
const sha256 = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const text = { type: 'string', maxLength: 1000 };
const textOrNull = { type: ['string', 'null'], maxLength: 1000 };

/** `_quorate.json` of a backup. Fields that a later version adds are let pass. */
export const proofKind: StoredKind<BackupProof> = storedKind<BackupProof>(
  {
    type: 'object',
    required: [
      'formatVersion',
      'sha256',
      'sizeBytes',
      'dbSizeBytes',
      'revision',
      'hash',
      'clusterId',
      'source',
      'members',
      'reason',
      'commit',
      'run',
      'verifiedAtMs',
    ],
    properties: {
      formatVersion: { const: '1.0' },
      sha256,
      sizeBytes: count,
      dbSizeBytes: count,
      revision: count,
      hash: count,
      compactRevision: { type: 'integer', minimum: -1 },
      keyCount: count,
      clusterId: text,
      source: text,
      members: {
        type: 'array',
        maxItems: 100,
        items: {
          type: 'object',
          required: ['id', 'name', 'peerUrls'],
          properties: { id: text, name: text, peerUrls: { type: 'array', maxItems: 100, items: text } },
        },
      },
      reason: text,
      commit: textOrNull,
      run: textOrNull,
      verifiedAtMs: count,
    },
  },
  {
    what: 'the proof of a backup',
    code: 'backup-proof-invalid',
    remedy: 'The backup no longer counts as verified. Check it with `quorate backup verify`, and take a new one.',
  },
);
