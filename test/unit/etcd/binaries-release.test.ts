import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createReleaseSource } from '../../../src/etcd/binaries/release.ts';
import { runTool } from '../../../src/etcd/binaries/tool.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import * as fixture from './binaries-fixture.ts';

describe.skipIf(skipReason('v35') !== undefined)('official archives', () => {
  it('gives the three programs of the archive, and nothing else of it', async () => {
    const version = requireRelease('v35');
    const release = await fixture.realRelease(version);
    const archive = await fixture.packRelease(release, await fixture.temporaryFolder());
    const mirror = await fixture.mirrorOf(version, archive);
    const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: `${mirror.url}/` });
    const binary = await createBinaries(options).ensure(version);
    const folder = join(options.cacheDir, 'etcd', version);
    expect((await readdir(folder)).toSorted()).toEqual(['etcd', 'etcdctl', 'etcdutl', 'source.json']);
    for (const [copy, original] of [
      [binary.etcd, release.etcd],
      [binary.etcdctl, release.etcdctl],
      [binary.etcdutl, release.etcdutl],
    ] as const) {
      expect((await readFile(copy ?? '')).equals(await readFile(original ?? ''))).toBe(true);
      expect((await stat(copy ?? '')).mode & 0o777).toBe(0o755);
    }
    const record = JSON.parse(await readFile(join(folder, 'source.json'), 'utf8')) as {
      source: string;
      origin: string;
    };
    expect(record.source).toBe('release');
    expect(record.origin).toMatch(/^archive http:.*SHA-256 checked$/);
  });
});

describe('archives that are not as they should be', () => {
  const version = '3.5.16';
  const name = `${fixture.archiveName(version)}.tar.gz`;
  let archive: Buffer;

  beforeAll(async () => {
    archive = await packTree(async () => undefined);
  });

  const fetchFrom = async (changes: Parameters<typeof fixture.mirrorOf>[2], content: Uint8Array = archive) => {
    const mirror = await fixture.mirrorOf(version, content, changes);
    const request = await fixture.requestFor(version);
    return { request, fetched: createReleaseSource({ url: mirror.url }).fetch(request) };
  };

  it('does not unpack an archive whose sum is another', async () => {
    const { request, fetched } = await fetchFrom({ sums: fixture.sumLine(Buffer.from('else'), name) });
    const error = await fixture.errorOf(fetched);
    expect(error.code).toBe('checksum-mismatch');
    expect(error.remedy).toContain('do not use it');
    expect(await readdir(request.into)).toEqual([]);
  });

  it('fetches no archive that SHA256SUMS does not name', async () => {
    const mirror = await fixture.mirrorOf(version, archive, { sums: fixture.sumLine(archive, `x${name}`) });
    const error = await fixture.errorOf(
      createReleaseSource({ url: mirror.url }).fetch(await fixture.requestFor(version)),
    );
    expect(error.code).toBe('checksum-missing');
    expect(mirror.asked).toEqual([`/v${version}/SHA256SUMS`]);
  });

  it('notices an archive that breaks off', async () => {
    const cut = fetchFrom({
      archive: (_request, response) => {
        response.writeHead(200, { 'content-length': archive.length });
        response.write(archive.subarray(0, archive.length - 10), () => response.destroy());
      },
    });
    expect((await fixture.errorOf((await cut).fetched)).code).toBe('download-failed');
    const short = fetchFrom({ archive: archive.subarray(0, archive.length - 10) });
    expect((await fixture.errorOf((await short).fetched)).code).toBe('checksum-mismatch');
  });

  it('names the file that does not exist', async () => {
    const { fetched } = await fetchFrom({ archive: (_request, response) => void response.writeHead(404).end() });
    const error = await fixture.errorOf(fetched);
    expect(error.code).toBe('release-not-in-source');
    expect(error.summary).toContain(name);
  });

  it('stops at a size that no list of sums has', async () => {
    const { fetched } = await fetchFrom({ sums: Buffer.alloc(1024 * 1024 + 1) });
    expect((await fixture.errorOf(fetched)).code).toBe('download-too-large');
  });

  it.each(['http://mirror.example.org/etcd', 'ftp://127.0.0.1/', '/srv/mirror', 'http://127.0.0.1.example.org/'])(
    'asks nothing of %s, where anyone on the way could change archive and sums alike',
    async (url) => {
      const error = await fixture.errorOf(createReleaseSource({ url }).fetch(await fixture.requestFor(version)));
      expect(error.code).toBe('mirror-not-trustworthy');
    },
  );

  it('writes nothing outside its folder, whatever paths and links the archive has', async () => {
    const outside = await fixture.temporaryFolder();
    const victim = join(outside, 'victim');
    await writeFile(victim, 'untouched');
    const hostile = await packTree(
      async (tree) => {
        await symlink(outside, join(tree, 'link'));
        await mkdir(join(tree, 'deep'));
        await writeFile(join(tree, 'deep', 'file'), 'evil');
      },
      ['--transform', `s,^\\(.*\\)/deep/file$,../../../..${victim},`],
    );
    const listing = join(await fixture.temporaryFolder(), 'hostile');
    await writeFile(listing, hostile);
    const { stdout } = await runTool('tar', ['-P', '-tzf', listing], { timeoutMs: 10_000 });
    expect(stdout).toContain(`../../../..${victim}\n`);
    const { request, fetched } = await fetchFrom({}, hostile);
    await fetched;
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect(await readdir(outside)).toEqual(['victim']);
    expect(await readdir(request.into)).toEqual(['etcd']);
  });

  it('does not follow a link that stands where a program should be', async () => {
    const outside = await fixture.temporaryFolder();
    await writeFile(join(outside, 'secret'), 'secret');
    const hostile = await packTree(async (tree) => await symlink(join(outside, 'secret'), join(tree, 'etcdctl')));
    const { fetched } = await fetchFrom({}, hostile);
    expect((await fixture.errorOf(fetched)).code).toBe('archive-malformed');
  });

  it('says so when there is no etcd in it', async () => {
    const other = await fixture.temporaryFolder();
    await writeFile(join(other, 'README.md'), 'nothing here');
    await runTool('tar', ['-C', other, '-czf', join(other, 'a'), 'README.md'], { timeoutMs: 10_000 });
    const mirror = await fixture.mirrorOf(version, await readFile(join(other, 'a')));
    const options = await fixture.optionsFor({ sources: ['release'], releaseUrl: mirror.url });
    const error = await fixture.errorOf(createBinaries(options).ensure(version));
    expect(error.summary).toContain('there is no etcd in it (program-missing)');
  });

  /** A small archive; its etcd is never run, because the source alone is asked. */
  async function packTree(add: (tree: string) => Promise<void>, more: readonly string[] = []): Promise<Buffer> {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-archive-'));
    try {
      const tree = join(folder, fixture.archiveName(version));
      await mkdir(tree);
      await writeFile(join(tree, 'etcd'), '#!/bin/sh\n');
      await add(tree);
      const archivePath = join(folder, 'archive');
      const members = ['-C', folder, fixture.archiveName(version)];
      await runTool('tar', ['-P', '-czf', archivePath, ...more, ...members], { timeoutMs: 10_000 });
      return await readFile(archivePath);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
});
