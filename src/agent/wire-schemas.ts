import { archiveHashHeader, backupHeader } from './wire.ts';

/**
 * JSON schemas of the bodies of `wire.ts`. Unknown keys are refused and everything has a largest size;
 * the whole body is limited to 1 MiB by the server.
 */
const domain = { enum: ['peer', 'client'] };
const version = { type: 'string', pattern: '^[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}$' };
const clusterId = { type: 'string', pattern: '^[0-9a-f]{1,16}$' };
/** Also a file of 64 certificates of 8 KiB stays below this. */
/** For what ends up on a command line. */
const printable = '^[^\\u0000-\\u001f]*$';
const pem = { type: 'string', minLength: 1, maxLength: 512 * 1024 };
/** A day would be a mistake; etcd itself allows 50 s. */
const electionTimeoutMs = { type: 'integer', minimum: 1, maximum: 60_000 };

const member = { type: 'string', pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$' };
const initialCluster = { type: 'string', minLength: 1, maxLength: 8192, pattern: printable };
const token = { type: 'string', minLength: 1, maxLength: 256, pattern: printable };
const bootstrapId = { type: 'string', minLength: 1, maxLength: 256, pattern: printable };
/** Those of other programs have other names than ours, but all of them are made of these. */
const backup = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9:._+-]{0,254}$' };

const joinSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['state', 'initialCluster', 'token'],
  properties: {
    state: { enum: ['new', 'existing'] },
    initialCluster,
    token,
    bootstrapId,
    discardData: clusterId,
  },
};

/** Headers of a snapshot; see `wire.ts`. */
export const snapshotHeaders = {
  type: 'object',
  required: [backupHeader],
  properties: { [backupHeader]: backup, [archiveHashHeader]: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
};

export const startSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['member', 'version', 'flags', 'electionTimeoutMs'],
  properties: {
    member,
    version,
    flags: {
      type: 'object',
      maxProperties: 200,
      propertyNames: { type: 'string', maxLength: 100 },
      additionalProperties: { type: 'string', maxLength: 8192 },
    },
    join: joinSchema,
    electionTimeoutMs,
  },
};

/** By command, as it stands in the path. */
export const commandSchemas = {
  claim: { type: 'object', additionalProperties: false, properties: {} },
  'write-trust': {
    type: 'object',
    additionalProperties: false,
    required: ['domain', 'bundle'],
    properties: { domain, bundle: pem },
  },
  'create-csr': {
    type: 'object',
    additionalProperties: false,
    required: ['domain', 'keyType'],
    properties: { domain, keyType: { enum: ['ecdsa-p256', 'ed25519', 'rsa-2048', 'rsa-4096'] } },
  },
  'install-certificate': {
    type: 'object',
    additionalProperties: false,
    required: ['domain', 'certificate'],
    properties: { domain, certificate: pem },
  },
  'fetch-binary': {
    type: 'object',
    additionalProperties: false,
    required: ['version'],
    properties: { version },
  },
  start: startSchema,
  stop: {
    type: 'object',
    additionalProperties: false,
    required: ['graceMs'],
    properties: { graceMs: { type: 'integer', minimum: 0, maximum: 300_000 } },
  },
  'archive-data': {
    type: 'object',
    additionalProperties: false,
    required: ['reason'],
    properties: { reason: { type: 'string', minLength: 1, maxLength: 256 } },
  },
  'prepare-restore': {
    type: 'object',
    additionalProperties: false,
    required: ['bootstrapId', 'backup', 'version', 'member', 'peerUrl', 'initialCluster', 'token', 'bumpRevision'],
    properties: {
      bootstrapId,
      backup,
      version,
      member,
      peerUrl: { type: 'string', maxLength: 512, pattern: '^https?://[^\\u0000-\\u0020]+$' },
      initialCluster,
      token,
      bumpRevision: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
    },
  },
  'install-restored': {
    type: 'object',
    additionalProperties: false,
    required: ['bootstrapId'],
    properties: { bootstrapId },
  },
} as const;

export type CommandName = keyof typeof commandSchemas;
