import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { loadControllerConfig } from '../../../src/controller/config.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-config-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(text: string | Uint8Array): Promise<string> {
  const path = join(folder, 'file.yaml');
  await writeFile(path, text);
  return path;
}

async function failureOf(attempt: Promise<unknown>): Promise<QuorateError> {
  const error: unknown = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(QuorateError);
  if (!(error instanceof QuorateError)) throw new Error('not a QuorateError');
  expect(error.kind).toBe('invalid');
  return error;
}

const identity = 'identity: { ca: pki/ca.crt, cert: pki/own.crt, key: /keys/own.key }\n';
const controller = `git: { url: ./repo }\n${identity}`;
const agent = `name: a\nlisten: "127.0.0.1:7001"\ndataDir: hosts/a\n${identity}`;

describe('controller.yaml', () => {
  test('defaults, and paths from the folder of the file', async () => {
    const file = await write(controller);
    expect(await loadControllerConfig(relative(process.cwd(), file))).toStrictEqual({
      file,
      git: { url: join(folder, 'repo'), isLocal: true, ref: 'main', path: 'clusters', pollMs: 30_000 },
      state: join(folder, 'state'),
      identity: { ca: join(folder, 'pki/ca.crt'), cert: join(folder, 'pki/own.crt'), key: '/keys/own.key' },
      binaries: { dirs: [], sources: ['release', 'debian', 'go'] },
      coordination: { type: 'local' },
      log: { level: 'info' },
      intervalMs: 30_000,
    });
  });

  test('everything written', async () => {
    const text = `git: { url: "ssh://git@git.example.com:2222/ops.git", ref: release/1, path: a/b, poll: 2m }
state: /var/lib/quorate
${identity}binaries: { dirs: [etcd, /opt], sources: [], releaseUrl: "https://mirror.example.com/etcd/" }
http: { listen: "[::1]:0" }
coordination: { type: local }
log: { level: debug }
interval: 1h
`;
    expect(await loadControllerConfig(await write(text))).toMatchObject({
      git: {
        url: 'ssh://git@git.example.com:2222/ops.git',
        isLocal: false,
        ref: 'release/1',
        path: 'a/b',
        pollMs: 120_000,
      },
      state: '/var/lib/quorate',
      binaries: { dirs: [join(folder, 'etcd'), '/opt'], sources: [], releaseUrl: 'https://mirror.example.com/etcd' },
      http: { host: '::1', port: 0 },
      log: { level: 'debug' },
      intervalMs: 3_600_000,
    });
  });

  test.each([
    ['git@git.example.com:ops/etcd.git', 'git@git.example.com:ops/etcd.git', false],
    ['https://git.example.com/etcd.git', 'https://git.example.com/etcd.git', false],
    ['file:///srv/repo', '/srv/repo', true],
    ['/srv/repo', '/srv/repo', true],
  ])('the repository %s', async (url, expected, isLocal) => {
    const { git } = await loadControllerConfig(await write(`git: { url: "${url}" }\n${identity}`));
    expect(git).toMatchObject({ url: expected, isLocal });
  });

  test.each([
    ['https://user:secret@example.com/x.git', 'invalid-git-url', 'password'],
    ['ext::sh -c true', 'wrong-form', ''],
    ['ext::sh', 'invalid-git-url', 'run other programs'],
    ['ftp://example.com/x', 'invalid-git-url', 'ftp is not a protocol'],
    ['file://host/x', 'invalid-git-url', 'file:///folder'],
    ['--upload-pack=x', 'wrong-form', ''],
  ])('the repository %s is refused', async (url, code, detail) => {
    const error = await failureOf(loadControllerConfig(await write(`git:\n  url: "${url}"\n${identity}`)));
    expect(error.code).toBe('config-invalid');
    expect(error.summary).toContain(`${join(folder, 'file.yaml')}:2:8: error: `);
    expect(error.summary).toContain(`[${code}]`);
    expect(error.summary).toContain(detail);
    expect(error.summary).not.toContain('secret');
  });

  test('all findings at once, with their lines', async () => {
    const text = `git: { url: ./repo, polls: 30s, path: ../x, ref: -x }\n${identity}interval: 2h\nhttp: { listen: "localhost:70000" }\nlog: { level: loud }\n`;
    const { summary } = await failureOf(loadControllerConfig(await write(text)));
    const places = summary
      .split('\n')
      .flatMap((line) => /file\.yaml:(\d+:\d+): error.*\[(.*)\]$/.exec(line)?.slice(1).join(' ') ?? []);
    expect(places).toEqual([
      '1:21 unknown-key',
      '1:39 wrong-form',
      '1:50 wrong-form',
      '3:11 out-of-range',
      '4:17 out-of-range',
      '5:15 not-allowed',
    ]);
    expect(summary).toContain('did you mean "poll"?');
  });

  test('a file that is not there, is a folder, is too large or is no YAML', async () => {
    expect((await failureOf(loadControllerConfig(join(folder, 'absent.yaml')))).code).toBe('file-not-found');
    expect((await failureOf(loadControllerConfig(folder))).code).toBe('file-unreadable');
    expect((await failureOf(loadControllerConfig(await write('#'.repeat(300_000))))).summary).toContain(
      '[document-too-large]',
    );
    expect((await failureOf(loadControllerConfig(await write('git: ["')))).summary).toContain('file.yaml:1:');
    expect((await failureOf(loadControllerConfig(await write(Buffer.from([0xff]))))).summary).toContain('[not-utf8]');
  });
});

describe('agents/NAME.yaml', () => {
  test('defaults, and paths from the folder of the file', async () => {
    await mkdir(join(folder, 'agents'), { recursive: true });
    const file = join(folder, 'agents', 'a.yaml');
    await writeFile(file, agent);
    const at = join(folder, 'agents');
    expect(await loadAgentConfig(file)).toStrictEqual({
      file,
      name: 'a',
      listen: { host: '127.0.0.1', port: 7001 },
      dataDir: join(at, 'hosts/a'),
      identity: { ca: join(at, 'pki/ca.crt'), cert: join(at, 'pki/own.crt'), key: '/keys/own.key' },
      binaries: { dirs: [], sources: ['release', 'debian', 'go'] },
      runtime: 'process',
      log: { level: 'info' },
      archives: { keepDays: 30, minFreeBytes: 1024 ** 3 },
    });
  });

  test('everything written', async () => {
    const text = `${agent}binaries: { dirs: [/opt, bin], sources: [], releaseUrl: "http://127.0.0.1:8/etcd/", cache: cache }
runtime: process
log: { level: silent }
archives: { keepDays: 1, minFreeBytes: 512MiB }
`;
    expect(await loadAgentConfig(await write(text))).toMatchObject({
      binaries: {
        dirs: ['/opt', join(folder, 'bin')],
        sources: [],
        releaseUrl: 'http://127.0.0.1:8/etcd',
        cache: join(folder, 'cache'),
      },
      log: { level: 'silent' },
      archives: { keepDays: 1, minFreeBytes: 512 * 1024 ** 2 },
    });
  });

  test.each([
    ['name: a', 'name: A', '1:7', 'wrong-form'],
    ['127.0.0.1:7001', '127.0.0.1', '2:9', 'wrong-form'],
    ['127.0.0.1:7001', '127.0.0.1:0', '2:9', 'out-of-range'],
    ['dataDir: hosts/a\n', '', '1:1', 'missing-key'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\nruntime: docker', '4:10', 'not-allowed'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\narchives: { keepDays: 0 }', '4:23', 'out-of-range'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\narchives: { minFreeBytes: 1B }', '4:27', 'out-of-range'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\nbinaries: { sources: [go, brew] }', '4:27', 'not-allowed'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\nbinaries: { sources: [go, go] }', '4:27', 'duplicate-item'],
    ['dataDir: hosts/a', 'dataDir: hosts/a\nbinaries: { releaseUrl: "file:///x" }', '4:25', 'wrong-form'],
  ])('%j → %j is refused', async (from, to, place, code) => {
    const error = await failureOf(loadAgentConfig(await write(agent.replace(from, to))));
    expect(error.summary).toContain(`file.yaml:${place}: error: `);
    expect(error.summary).toContain(`[${code}]`);
  });
});
