import { readdir } from 'node:fs/promises';
import type { TestContext } from 'vitest';
import { expect, it } from 'vitest';
import { createGoSource } from '../../../src/etcd/binaries/go.ts';
import { runTool } from '../../../src/etcd/binaries/tool.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import * as fixture from './binaries-fixture.ts';

const version = '3.6.14';
// The first build on a machine takes minutes; after that Go's own cache makes it seconds.
const timeout = 900_000;

it('builds a release with all three programs', { timeout }, async (context) => {
  await needGo(context);
  const options = await fixture.optionsFor({ sources: ['go'] });
  const binary = await createBinaries(options).ensure(version);
  expect(binary).toMatchObject({ version, source: 'go' });
  const say = async (path: string | null, word: string): Promise<string> =>
    (await runTool(path ?? '', [word], { timeoutMs: 10_000 })).stdout;
  expect(await say(binary.etcd, '--version')).toContain(`etcd Version: ${version}`);
  expect(await say(binary.etcdctl, 'version')).toContain(`etcdctl version: ${version}`);
  expect(await say(binary.etcdutl, 'version')).toContain(`etcdutl version: ${version}`);
  expect(await say(binary.etcdutl, 'help')).toContain('snapshot');
  expect(await fixture.cacheEntries(options.cacheDir)).toEqual([version]);
});

it('says that there is no such release', { timeout }, async (context) => {
  await needGo(context);
  const source = createGoSource({ cacheDir: await fixture.temporaryFolder() });
  const error = await fixture.errorOf(source.fetch(await fixture.requestFor('3.6.999')));
  expect(error.code).toBe('release-not-in-source');
  expect(error.remedy).toContain('go list -m -versions');
});

it('refuses a changed module, even where the machine has turned the check off', { timeout }, async (context) => {
  await needGo(context);
  const changed = '/go.etcd.io/etcd/server/v3/@v/v3.6.14.mod';
  // Passes everything on, the checksum database included, but for one file.
  const mirror = await fixture.serveAll((path, response) => {
    const forward = async (): Promise<void> => {
      const upstream = await fetch(`https://proxy.golang.org${path}`);
      const body = Buffer.from(await upstream.arrayBuffer());
      response.writeHead(upstream.status).end(path === changed ? Buffer.concat([body, Buffer.from('// x\n')]) : body);
    };
    forward().catch(() => response.destroy());
  });
  const folder = await fixture.temporaryFolder();
  await fixture.withEnvironment(
    { GOPROXY: mirror.url, GOMODCACHE: folder, GOFLAGS: '-modcacherw', GOSUMDB: 'off', GONOSUMDB: '*', GOPRIVATE: '*' },
    async () => {
      const source = createGoSource({ cacheDir: folder });
      const error = await fixture.errorOf(source.fetch(await fixture.requestFor(version)));
      expect(error.code).toBe('checksum-mismatch');
      expect(error.summary).toContain('SECURITY ERROR');
    },
  );
  expect(mirror.asked).toContain(changed);
});

it('leaves neither a process nor a file when it is given up', { timeout }, async (context) => {
  await needGo(context);
  const abort = new AbortController();
  const building = fixture.event();
  const options = await fixture.optionsFor({ sources: ['go'], progress: building.happen });
  const ensured = createBinaries(options).ensure(version, abort.signal);
  const rejected = fixture.expectRejected(ensured, 'enough');
  await building.happened;
  abort.abort(new Error('enough'));
  await rejected;
  expect(await fixture.cacheEntries(options.cacheDir)).toEqual([]);
  await fixture.expectNoProcessWith(options.cacheDir);
});

it('does not build what is no set of Go modules', async () => {
  const source = createGoSource({ cacheDir: await fixture.temporaryFolder() });
  const request = await fixture.requestFor('3.4.23');
  expect((await fixture.errorOf(source.fetch(request))).summary).toContain('3.5 and newer');
  expect(await readdir(request.scratch)).toEqual([]);
});

/** Skips where there is no Go or no module proxy; in CI both have to be there. */
async function needGo(context: TestContext): Promise<void> {
  if (!['', '0', 'false'].includes(process.env['CI'] ?? '')) return;
  try {
    await runTool('go', ['version'], { timeoutMs: 30_000 });
  } catch {
    context.skip('needs an installed Go');
  }
  try {
    await runTool('go', ['list', '-m', `go.etcd.io/etcd/api/v3@v${version}`], { timeoutMs: 60_000, cwd: '/' });
  } catch {
    context.skip('needs a way to the Go module proxy');
  }
}
