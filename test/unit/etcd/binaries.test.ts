import { spawn } from 'node:child_process';
import { appendFile, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import * as fixture from './binaries-fixture.ts';

describe.skipIf(skipReason('v35') !== undefined)('binaries in folders', () => {
  it('finds releases by what they say, not by the name of their folder', async () => {
    const release = await fixture.realRelease(requireRelease('v35'));
    const dir = await fixture.temporaryFolder();
    await fixture.linkPrograms(release, join(dir, 'etcd-v9.9.9-linux-amd64'));
    const binaries = createBinaries(await fixture.optionsFor({ dirs: [join(dir, 'not-there'), dir] }));
    const folder = join(dir, 'etcd-v9.9.9-linux-amd64');
    expect(await binaries.ensure(release.version)).toEqual({
      version: release.version,
      etcd: join(folder, 'etcd'),
      etcdctl: join(folder, 'etcdctl'),
      etcdutl: join(folder, 'etcdutl'),
      source: folder,
    });
    expect(await binaries.list()).toContainEqual({
      version: release.version,
      path: join(folder, 'etcd'),
      source: folder,
    });
    expect((await fixture.errorOf(binaries.ensure('9.9.9'))).code).toBe('binary-unavailable');
  });

  it('takes etcd of the folder itself, says null for programs that are not there, and passes over what is no etcd', async () => {
    const release = await fixture.realRelease(requireRelease('v35'));
    const dir = await fixture.temporaryFolder();
    await copyFile(release.etcd, join(dir, 'etcd'));
    await mkdir(join(dir, 'etcd-v3.5.0'));
    await writeFile(join(dir, 'etcd-v3.5.0', 'etcd'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
    await mkdir(join(dir, 'etcd-v3.4.0', 'etcd'), { recursive: true });
    const binaries = createBinaries(await fixture.optionsFor({ dirs: [dir] }));
    const inDir = (await binaries.list()).filter((fact) => fact.path.startsWith(dir));
    expect(inDir).toEqual([{ version: release.version, path: join(dir, 'etcd'), source: dir }]);
    const found = await binaries.ensure(release.version);
    expect([found.etcdctl, found.etcdutl]).toEqual([null, null]);
  });

  it('asks a program again when its file has changed, and not before', async () => {
    const release = await fixture.realRelease(requireRelease('v35'));
    const dir = await fixture.temporaryFolder();
    const asked = join(dir, 'asked');
    const program = join(dir, 'etcd');
    const answer = (version: string): string => `#!/bin/sh\necho once >> '${asked}'\necho 'etcd Version: ${version}'\n`;
    await writeFile(program, answer('3.5.98'), { mode: 0o755 });
    const binaries = createBinaries(await fixture.optionsFor({ dirs: [dir] }));
    const versions = async (): Promise<readonly string[]> =>
      (await binaries.list()).filter((fact) => fact.path === program).map((fact) => fact.version);
    expect(await versions()).toEqual(['3.5.98']);
    expect(await versions()).toEqual(['3.5.98']);
    expect(await readFile(asked, 'utf8')).toBe('once\n');
    await rm(program);
    await copyFile(release.etcd, program);
    expect(await versions()).toEqual([release.version]);
  });

  it('looks at PATH after the folders', async () => {
    const release = await fixture.realRelease(requireRelease('v35'));
    const dir = await fixture.temporaryFolder();
    await fixture.linkPrograms(release, join(dir, 'path'));
    await fixture.linkPrograms(release, join(dir, 'opt', 'etcd-v3.5'));
    const path = `${join(dir, 'path')}:relative:${process.env['PATH'] ?? ''}`;
    await fixture.withEnvironment({ PATH: path }, async () => {
      const options = await fixture.optionsFor({});
      expect((await createBinaries(options).ensure(release.version)).source).toBe(join(dir, 'path'));
      const both = createBinaries({ ...options, dirs: [join(dir, 'opt')] });
      expect((await both.ensure(release.version)).source).toBe(join(dir, 'opt', 'etcd-v3.5'));
    });
  });
});

describe('a release that cannot be had', () => {
  it('names every source, what happened there and what to do', async () => {
    const mirror = await fixture.serve({});
    const options = await fixture.optionsFor({
      sources: ['release', 'go'],
      releaseUrl: mirror.url,
      dirs: ['/opt/none'],
    });
    const error = await fixture.errorOf(createBinaries(options).ensure('3.4.1'));
    expect(error.code).toBe('binary-unavailable');
    expect(error.summary).toMatch(/release: .*HTTP 404.*release-not-in-source.*go: only etcd 3\.5 and newer/s);
    expect(error.remedy).toContain('/opt/none/etcd-v3.4.1/');
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual([]);
  });

  it.each(['', 'v3.5.16', '3.5', '../3.5.16', '3.5.16/..', '3.5.16 ', '03.5.1', '3.5.16-rc.0;id'])(
    'refuses %j as a version and asks nobody',
    async (version) => {
      const mirror = await fixture.serve({});
      const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: mirror.url });
      const error = await fixture.errorOf(createBinaries(options).ensure(version));
      expect([error.code, error.kind]).toEqual(['version-malformed', 'invalid']);
      expect(mirror.asked).toEqual([]);
    },
  );
});

describe.skipIf(skipReason('v35') !== undefined)('the cache of releases', () => {
  it('keeps what was fetched, private, and serves it without asking again', async () => {
    const { version, mirror, options } = await mirrored();
    const binary = await createBinaries(options).ensure(version);
    expect(binary).toMatchObject({ version, source: 'release', etcd: join(options.cacheDir, 'etcd', version, 'etcd') });
    expect((await stat(dirname(binary.etcd))).mode & 0o777).toBe(0o700);
    const asked = mirror.asked.length;
    const later = createBinaries({ ...options, sources: [] });
    expect(await later.ensure(version)).toEqual(binary);
    expect(await later.list()).toContainEqual({ version, path: binary.etcd, source: 'release' });
    expect(mirror.asked.length).toBe(asked);
  });

  it('fetches anew what was changed behind its back', async () => {
    const { version, mirror, options } = await mirrored();
    const { etcd } = await createBinaries(options).ensure(version);
    const size = (await stat(etcd)).size;
    await appendFile(etcd, 'x');
    expect((await createBinaries(options).list()).filter((fact) => fact.path === etcd)).toEqual([]);
    const offline = createBinaries({ ...options, sources: [] });
    expect((await fixture.errorOf(offline.ensure(version))).code).toBe('binary-unavailable');
    await createBinaries(options).ensure(version);
    expect((await stat(etcd)).size).toBe(size);
    expect(mirror.asked.length).toBe(4);
    await writeFile(join(dirname(etcd), 'source.json'), '{"version": "3.');
    await createBinaries(options).ensure(version);
    expect(mirror.asked.length).toBe(6);
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual([version]);
  });

  it('shares one fetch between callers, and one who gives up does not stop the other', async () => {
    const { version, mirror, options } = await mirrored();
    const binaries = createBinaries(options);
    const leaving = new AbortController();
    const first = binaries.ensure(version, leaving.signal);
    const second = binaries.ensure(version);
    const left = fixture.expectRejected(first, 'changed my mind');
    await mirror.firstRequest;
    leaving.abort(new Error('changed my mind'));
    await left;
    expect((await second).version).toBe(version);
    expect(mirror.asked.length).toBe(2);
  });

  it('gives up when all callers have, and leaves nothing', async () => {
    const { version, archive } = await mirrored();
    const { answer, reached } = fixture.stalling(archive);
    const mirror = await fixture.mirrorOf(version, archive, { archive: answer });
    const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: mirror.url });
    const binaries = createBinaries(options);
    const abort = new AbortController();
    const ensured = [binaries.ensure(version, abort.signal), binaries.ensure(version, abort.signal)];
    const rejected = Promise.all(ensured.map(async (one) => await fixture.expectRejected(one, 'enough')));
    await reached;
    abort.abort(new Error('enough'));
    await rejected;
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual([]);
  });

  it('is safe for two processes at once, and sweeps up after one that was killed', async () => {
    const { version, archive, options } = await mirrored();
    const { answer, reached } = fixture.stalling(archive);
    const stalled = await fixture.mirrorOf(version, archive, { archive: answer });
    const killed = childFetch(version, { ...options, releaseUrl: stalled.url });
    await reached;
    expect((await fixture.cacheEntries(options.cacheDir)).length).toBe(1);
    killed.child.kill('SIGKILL');
    await killed.output;
    const outputs = await Promise.all([childFetch(version, options).output, childFetch(version, options).output]);
    const expected = JSON.stringify({ etcd: join(options.cacheDir, 'etcd', version, 'etcd') });
    expect(outputs.map((output) => output.trim())).toEqual([expected, expected]);
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual([version]);
  });

  it('says that the disk is full, and leaves nothing', async (context) => {
    const { version, options } = await mirrored();
    await mkdir(options.cacheDir);
    const small = `mount -t tmpfs -o size=8m none '${options.cacheDir}'`;
    const trial = childProcess('unshare', ['-rm', 'sh', '-c', small]);
    if ((await trial.code) !== 0) return context.skip('no small file system can be mounted here');
    const after = `ls -A '${options.cacheDir}/etcd' >&2`;
    const run = childProcess('unshare', [
      '-rm',
      'sh',
      '-c',
      `${small} && "$@" && ${after}`,
      'sh',
      ...fetchCommand(version, options),
    ]);
    const result = JSON.parse(await run.output) as { code: string; message: string; remedy: string };
    expect(result.code).toBe('disk-full');
    expect(result.remedy).toContain('500 MB');
    expect(result.message).toContain(options.cacheDir);
    expect(await run.errors).toBe('');
  });

  it('refuses a program that says it is another version', async () => {
    const { version } = await mirrored();
    const folder = await fixture.temporaryFolder();
    const { etcd } = await fixture.realRelease(version);
    const lying = { version: '3.5.99', etcd, etcdctl: null, etcdutl: null, source: '' };
    const other = await fixture.packRelease(lying, folder);
    const mirror = await fixture.mirrorOf('3.5.99', other);
    const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: mirror.url });
    const error = await fixture.errorOf(createBinaries(options).ensure('3.5.99'));
    expect(error.summary).toContain(`says it is ${version}`);
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual([]);
  });
});

let packed: Promise<Buffer> | undefined;

/** A mirror of the real 3.5, with etcd alone to be quick, and options that use it. */
async function mirrored() {
  const version = requireRelease('v35');
  const folder = await fixture.temporaryFolder();
  packed ??= fixture.realRelease(version).then(async ({ etcd, source }) => {
    const release = { version, etcd, etcdctl: null, etcdutl: null, source };
    return await fixture.packRelease(release, folder);
  });
  const archive = await packed;
  const mirror = await fixture.mirrorOf(version, archive);
  const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: mirror.url });
  return { version, archive, mirror, options };
}

function fetchCommand(version: string, options: object): string[] {
  const script = fileURLToPath(new URL('binaries-child.ts', import.meta.url));
  return [process.execPath, '--import', 'tsx', script, version, JSON.stringify(options)];
}

function childFetch(version: string, options: object) {
  const [command = '', ...args] = fetchCommand(version, options);
  return childProcess(command, args);
}

function childProcess(command: string, args: readonly string[]) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = child.stdout
    .setEncoding('utf8')
    .toArray()
    .then((parts) => parts.join(''));
  const errors = child.stderr
    .setEncoding('utf8')
    .toArray()
    .then((parts) => parts.join(''));
  const code = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  return { child, output, errors, code };
}
