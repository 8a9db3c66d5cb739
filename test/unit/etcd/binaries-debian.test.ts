import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { describe, expect, it } from 'vitest';
import { createDebianSource, debianMirrorIn } from '../../../src/etcd/binaries/debian.ts';
import { runTool } from '../../../src/etcd/binaries/tool.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import * as fixture from './binaries-fixture.ts';

const archive = 'http://deb.debian.org/debian';
const timeout = 180_000;

describe('Debian packages', () => {
  it('gives a verified release out of the packages of a suite', { timeout }, async (context) => {
    await needDebian(context);
    const options = await fixture.optionsFor({ sources: ['debian'] });
    const binary = await createBinaries(options).ensure('3.4.23');
    expect(binary).toMatchObject({ version: '3.4.23', source: 'debian', etcdutl: null });
    expect((await stat(binary.etcdctl ?? '')).mode & 0o777).toBe(0o755);
    expect((await runTool(binary.etcd, ['--version'], { timeoutMs: 10_000 })).stdout).toContain('3.4.23');
    expect(await fixture.cacheEntries(options.cacheDir)).toEqual(['3.4.23']);
    const folder = join(options.cacheDir, 'etcd', '3.4.23');
    expect((await readdir(folder)).toSorted()).toEqual(['etcd', 'etcdctl', 'source.json']);
  });

  it('says what the suites have when they do not have a release', { timeout }, async (context) => {
    await needDebian(context);
    const error = await fixture.errorOf(createDebianSource().fetch(await fixture.requestFor('3.4.1')));
    expect(error.code).toBe('release-not-in-source');
    expect(error.summary).toMatch(/does not carry etcd 3\.4\.1: bookworm has 3\.4\.\d+-/);
  });

  it('takes nothing from lists that were changed after they had been signed', { timeout }, async (context) => {
    await needDebian(context);
    const signed = await (await fetch(`${archive}/dists/bookworm/InRelease`)).text();
    const changed = signed.replace('Codename: bookworm', 'Codename: bookworm2');
    expect(changed).not.toBe(signed);
    const mirror = await fixture.serve({ '/debian/dists/bookworm/InRelease': changed });
    const source = createDebianSource({ mirror: `${mirror.url}/debian` });
    const error = await fixture.errorOf(source.fetch(await fixture.requestFor('3.4.23')));
    expect(error.code).toBe('signature-not-verified');
    expect(error.remedy).toContain('debian-archive-keyring');
    expect(mirror.asked.filter((path) => path.endsWith('.deb'))).toEqual([]);
  });

  it('takes nothing from lists that are not signed', { timeout }, async (context) => {
    await needDebian(context);
    const release = 'Origin: Debian\nSuite: stable\nCodename: bookworm\nComponents: main\nArchitectures: amd64 arm64\n';
    const mirror = await fixture.serve({ '/debian/dists/bookworm/Release': release });
    const source = createDebianSource({ mirror: `${mirror.url}/debian` });
    const error = await fixture.errorOf(source.fetch(await fixture.requestFor('3.4.23')));
    expect(error.code).toBe('signature-not-verified');
  });

  it('leaves neither a process nor a file when it is given up', { timeout }, async (context) => {
    await needDebian(context);
    const abort = new AbortController();
    const mirror = await fixture.serve({ '/debian/dists/bookworm/InRelease': () => undefined });
    const request = await fixture.requestFor('3.4.23', abort.signal);
    const fetched = createDebianSource({ mirror: `${mirror.url}/debian` }).fetch(request);
    const rejected = fixture.expectRejected(fetched, 'enough');
    await mirror.firstRequest;
    abort.abort(new Error('enough'));
    await rejected;
    await fixture.expectNoProcessWith(request.scratch);
    expect(await readdir(request.into)).toEqual([]);
  });
});

describe('the mirror of this machine', () => {
  it.each([
    ['deb http://ftp.de.debian.org/debian/ bookworm main', 'http://ftp.de.debian.org/debian'],
    ['deb [signed-by=/x arch=amd64] https://deb.debian.org/debian bookworm main', 'https://deb.debian.org/debian'],
    ['Types: deb\nURIs: http://mirror.example:3142/debian\nSuites: trixie\n', 'http://mirror.example:3142/debian'],
    ['#deb http://ftp.de.debian.org/debian bookworm main\n# URIs: http://a/debian', undefined],
    ['deb http://deb.debian.org/debian-security bookworm-security main', undefined],
    ['deb-src http://deb.debian.org/debian bookworm main', undefined],
    ['deb http://archive.ubuntu.com/ubuntu noble main', undefined],
    ['deb cdrom:[Debian]/debian bookworm main', undefined],
  ])('is found in %j: %s', (sources, mirror) => {
    expect(debianMirrorIn(sources)).toBe(mirror);
  });
});

/** Skips where there is no apt or no way to Debian's archive; in CI both have to be there. */
async function needDebian(context: TestContext): Promise<void> {
  if (!['', '0', 'false'].includes(process.env['CI'] ?? '')) return;
  try {
    await runTool('apt-get', ['--version'], { timeoutMs: 10_000 });
    await stat('/usr/share/keyrings/debian-archive-keyring.gpg');
  } catch {
    context.skip('needs apt and the package debian-archive-keyring');
  }
  try {
    const response = await fetch(`${archive}/dists/bookworm/InRelease`, { signal: AbortSignal.timeout(10_000) });
    await response.body?.cancel();
  } catch {
    context.skip(`needs a way to ${archive}`);
  }
}
