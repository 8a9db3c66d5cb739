import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../../src/backup/open-store.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { QuorateError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { backupListCommand, backupVerifyCommand } from '../../../src/cli/backup-create.ts';
import { backupDrillCommand } from '../../../src/cli/backup-drill.ts';
import type { PlaceOptions } from '../../../src/cli/backup-place.ts';
import { backupPruneCommand } from '../../../src/cli/backup-prune.ts';
import { exitCodeOf } from '../../../src/cli/exit-codes.ts';
import { restoreCommandLine } from '../../../src/cli/restore.ts';
import { s3SkipReason } from '../../support/s3-program.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { errorOf } from '../backup/streams.ts';

let out: string;
const terminal = { out: (text: string) => void (out += text), err: () => undefined, hasColor: false };
const format = 'text';
const dataDir = '/nowhere/data';
const member = { name: 'a', initialAdvertisePeerUrls: 'http://localhost:2380', bumpRevision: 0 };

/** Every command that reads a store which `--store` names. */
const commands: readonly (readonly [string, (place: PlaceOptions) => Promise<number>])[] = [
  ['list', (place) => backupListCommand({ ...place, format }, terminal)],
  ['verify', (place) => backupVerifyCommand('latest', { ...place, format }, terminal)],
  ['drill', (place) => backupDrillCommand(undefined, { ...place, format }, terminal)],
  ['prune', (place) => backupPruneCommand({ ...place, keep: 'last=1', format }, terminal)],
  ['restore', (place) => restoreCommandLine({ ...place, ...member, backup: 'latest', dataDir, format }, terminal)],
];

async function refusal(command: Promise<number>): Promise<QuorateError> {
  const error = await errorOf(command);
  expect(error.code).toBe('store-not-found');
  expect(exitCodeOf(error)).toBe(1);
  expect(out).toBe('');
  return error;
}

beforeEach(() => {
  out = '';
});

describe.each(commands)('quorate %s of a folder', (_name, command) => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-stored-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const urlOf = (...parts: string[]): string => pathToFileURL(join(folder, ...parts)).href;

  it('that does not exist names what lies beside it, ten at most', async () => {
    await writeFile(join(folder, 'a file'), '');
    for (let number = 10; number < 22; number++) await mkdir(join(folder, `etcd-${number}`));
    const error = await refusal(command({ store: urlOf('nope'), cluster: 'orders' }));
    expect(error.summary).toBe(`the folder ${folder}/nope does not exist`);
    const ten = Array.from({ length: 10 }, (_, index) => `etcd-${index + 10}`);
    expect(error.remedy).toBe(`Check --store: in ${folder} there are the folders ${ten.join(', ')}, and 2 more.`);
    const deep = await refusal(command({ store: urlOf('a file', 'b', 'c'), cluster: 'orders' }));
    expect(deep.remedy).toContain(`/a file cannot be listed`);
  });

  it('without one of that cluster names those that are there', async () => {
    await mkdir(join(folder, 'order'));
    await mkdir(join(folder, 'users'));
    const error = await refusal(command({ store: urlOf(), cluster: 'orders' }));
    expect(error.summary).toBe(`${folder} has no folder orders`);
    expect(error.remedy).toContain('lie order, users');
  });

  it('that is one of a cluster itself says which is meant', async () => {
    await mkdir(join(folder, 'orders', '2026-01-01T00:00:00Z-000001'), { recursive: true });
    const error = await refusal(command({ store: urlOf('orders'), cluster: 'orders' }));
    expect(error.remedy).toContain(`--store '${urlOf()}' --cluster orders`);
  });
});

it('a folder of the cluster without a backup is an empty store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-stored-'));
  try {
    await mkdir(join(folder, 'orders'));
    const place = { store: pathToFileURL(folder).href, cluster: 'orders', format } as const;
    expect(await backupListCommand(place, terminal)).toBe(0);
    expect(out).toBe('No backups.\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it.each([{}, { config: 'x', cluster: 'orders' }])(
  'what to say instead fits a command that asks no etcd',
  async (more) => {
    const error = await errorOf(backupListCommand({ store: 'file:///nowhere', format, ...more }, terminal));
    expect(error.code).toBe('options-unclear');
    expect(error.remedy).not.toContain('--endpoints');
  },
);

describe.skipIf(s3SkipReason() !== undefined)('a store in S3', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Server();
    Object.assign(process.env, server.env);
  }, 60_000);
  afterAll(() => server.stop());

  it.each(commands)('without any object below the prefix: quorate %s says so', async (_name, command) => {
    const url = server.storeUrl('backups/etcd');
    const store = await openStore(url, 'orders', { log: silentLogger, clock: systemClock });
    await store.write('control/note.json', '{}');
    const error = await refusal(command({ store: url, cluster: 'order' }));
    expect(error.summary).toMatch(/^no objects below s3:\/\/[^/]+\/backups\/etcd\/order\/$/);
    expect(error.remedy).toContain('lie orders');
    expect(await backupListCommand({ store: url, cluster: 'orders', format }, terminal)).toBe(0);
    expect(out).toBe('No backups.\n');
  });
});
