import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { BinariesCommand } from '../../../src/cli/binaries.ts';
import { binaryTable, defaultBinarySettings, fetchBinary, listBinaries } from '../../../src/cli/binaries.ts';
import { requireRelease, skipReason } from '../../support/binaries.ts';
import * as fixture from '../etcd/binaries-fixture.ts';

describe.skipIf(skipReason('v35') !== undefined)('quorate binaries', () => {
  it('lists and fetches, answers on one channel and progress on the other', async () => {
    const version = requireRelease('v35');
    const { etcd } = await fixture.realRelease(version);
    const release = { version, etcd, etcdctl: null, etcdutl: null, source: '' };
    const archive = await fixture.packRelease(release, await fixture.temporaryFolder());
    const mirror = await fixture.mirrorOf(version, archive);
    const { cacheDir } = await fixture.optionsFor({});
    const printed = { answer: '', notice: '' };
    const command: BinariesCommand = {
      settings: { dirs: [], sources: ['release'], cacheDir, releaseUrl: mirror.url },
      clock: systemClock,
      log: silentLogger,
      format: 'text',
      print: (text) => void (printed.answer += text),
      printNotice: (text) => void (printed.notice += text),
    };
    const path = join(cacheDir, 'etcd', version, 'etcd');
    expect(await fetchBinary(command, version)).toBe(0);
    expect(printed.answer).toBe(`${path}\n`);
    expect(printed.notice).toMatch(/^fetching http:.*\.tar\.gz\netcd 3\.5\.\d+ is ready after .* \(release\)\n$/);
    printed.answer = '';
    expect(await listBinaries({ ...command, format: 'json' })).toBe(0);
    const listed = JSON.parse(printed.answer) as { binaries: unknown };
    expect(listed.binaries).toContainEqual({ version, path, source: 'release' });
    expect((await fixture.errorOf(fetchBinary(command, '3.5.99'))).code).toBe('binary-unavailable');
  });
});

it('prints a table', () => {
  const facts = [
    { version: '3.6.14', source: 'go', path: '/c/etcd' },
    { version: '3.5.9', source: '/opt/etcd-v3.5.9', path: '/opt/etcd-v3.5.9/etcd' },
  ];
  expect(binaryTable(facts)).toBe(
    [
      'VERSION  SOURCE            PATH\n',
      '3.6.14   go                /c/etcd\n',
      '3.5.9    /opt/etcd-v3.5.9  /opt/etcd-v3.5.9/etcd\n',
    ].join(''),
  );
  expect(binaryTable([])).toContain('quorate binaries fetch');
});

it('keeps releases where the environment says', async () => {
  const folder = await fixture.temporaryFolder();
  const settings = await defaultBinarySettings({ XDG_CACHE_HOME: folder });
  expect(settings).toEqual({
    dirs: ['/opt'],
    sources: ['release', 'debian', 'go'],
    cacheDir: join(folder, 'quorate'),
  });
  const chosen = join(folder, 'mine');
  expect((await defaultBinarySettings({ XDG_CACHE_HOME: folder, QUORATE_CACHE: chosen })).cacheDir).toBe(chosen);
  await writeFile(join(folder, 'file'), '');
  const error = await fixture.errorOf(defaultBinarySettings({ QUORATE_CACHE: join(folder, 'file', 'cache') }));
  expect(error.code).toBe('cache-unusable');
  expect(error.remedy).toContain('QUORATE_CACHE');
});
