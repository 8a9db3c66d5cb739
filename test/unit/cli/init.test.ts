import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { defaultVersion, type HostInput, type InitOptions, init, parseHost } from '../../../src/cli/init.ts';
import { loadControllerConfig } from '../../../src/controller/config.ts';
import { assessRelease, latestPatches } from '../../../src/etcd/releases.ts';
import { type LoadedSpecs, loadSpecs } from '../../../src/spec/load.ts';
import { checkLeaf, parseCertificate } from '../../../src/tls/leaf.ts';
import { readPassphrase } from '../../../src/tls/passphrase.ts';

let parent: string;
let dir: string;
/** Surroundings without anybody's Git settings. */
let environment: Record<string, string | undefined>;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'quorate-init-'));
  dir = join(parent, 'fleet');
  await mkdir(join(parent, 'home'));
  environment = { PATH: process.env['PATH'], HOME: join(parent, 'home') };
});

afterEach(async () => {
  await rm(parent, { recursive: true, force: true });
});

async function run(options: Partial<InitOptions> = {}): Promise<string> {
  const written: string[] = [];
  expect(await init({ dir, environment, ...options }, { write: (text) => written.push(text) })).toBe(0);
  return written.join('');
}

/** Code and kind of the refusal, and whether anything was left behind; fails when something else comes. */
async function refusalOf(options: Partial<InitOptions>): Promise<string> {
  const before = await readdir(parent, { recursive: true });
  try {
    await run(options);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    const after = await readdir(parent, { recursive: true });
    const isSame = after.toSorted().join('\n') === before.toSorted().join('\n');
    return `${error.code} (${error.kind})${isSame ? '' : ` left something behind: ${after.join(', ')}`}`;
  }
  return 'nothing was thrown';
}

async function loadSpec(cluster: string): Promise<LoadedSpecs> {
  const path = `clusters/${cluster}.yaml`;
  return loadSpecs([{ path, content: await readFile(join(dir, 'repo', path)) }]);
}

const git = (...args: string[]): string =>
  execFileSync('git', ['-C', join(dir, 'repo'), ...args], { encoding: 'utf8', env: environment }).trim();
const hosts = (...texts: string[]): HostInput[] => texts.map(parseHost);

describe('a fleet on this machine', () => {
  test('has a spec that passes its loader, committed on main', async () => {
    await run();
    const { specs, diagnostics, broken } = await loadSpec('orders');
    expect([diagnostics, broken]).toEqual([[], []]);
    const [loaded] = specs;
    expect(loaded?.spec).toMatchObject({
      name: 'orders',
      version: defaultVersion,
      members: 3,
      bootstrap: { id: 'first', from: 'empty' },
      backup: { store: pathToFileURL(join(dir, 'backups')).href },
    });
    expect(
      loaded?.spec.hosts.map(({ name, agent, ports }) => [name, agent, ports.client, ports.peer, ports.metrics]),
    ).toEqual([
      ['a', 'https://127.0.0.1:7001', 2379, 2380, 2381],
      ['b', 'https://127.0.0.1:7002', 2389, 2390, 2391],
      ['c', 'https://127.0.0.1:7003', 2399, 2400, 2401],
    ]);
    expect(git('status', '--porcelain')).toBe('');
    expect(git('log', '--format=%an <%ae> %s', 'main')).toBe(
      'quorate <quorate@localhost> Declare the etcd cluster orders',
    );
    expect(git('ls-files').split('\n')).toEqual(['clusters/orders.yaml', 'schemas/etcd-cluster.v1.json']);
    const spec = await readFile(join(dir, 'repo', 'clusters', 'orders.yaml'), 'utf8');
    const schema = /\$schema=(\S+)/.exec(spec)?.[1] ?? '';
    expect(JSON.parse(await readFile(join(dir, 'repo', 'clusters', schema), 'utf8'))).toHaveProperty(
      'title',
      'EtcdCluster',
    );
  });

  test('has identities that fit together, private keys for their owner alone', async () => {
    await run();
    const pki = join(dir, 'pki');
    const trust = await readFile(join(pki, 'ca.crt'), 'utf8');
    const nowMs = Date.now();
    for (const [name, uri] of [
      ['controller', 'quorate://controller'],
      ['operator', 'quorate://operator'],
      ['agents/b', 'quorate://agent/b'],
    ] as const) {
      const [certificate, key] = [
        await readFile(join(pki, `${name}.crt`), 'utf8'),
        await readFile(join(pki, `${name}.key`), 'utf8'),
      ];
      // Fleet certificates are for one side only; all else about them is in order.
      expect(() => checkLeaf({ certificate, key, trust, nowMs })).toThrow(/extended key usage/);
      const parsed = parseCertificate(certificate);
      expect(parsed.sans[0]).toBe(uri);
      expect(parsed.issuer).toBe(parseCertificate(trust).subject);
    }
    for (const file of ['ca.key', 'controller.key', 'operator.key', 'agents/a.key', 'keystore.passphrase'])
      expect((await stat(join(pki, file))).mode & 0o777).toBe(0o600);
    for (const folder of ['', 'pki', 'state']) expect((await stat(join(dir, folder))).mode & 0o777).toBe(0o700);
    expect((await readPassphrase({}, join(pki, 'keystore.passphrase')))?.reveal()).toHaveLength(43);
  });

  test('has configurations that pass their loaders, and every file that they name is there', async () => {
    await run();
    const controller = await loadControllerConfig(join(dir, 'controller.yaml'));
    expect(controller.git).toMatchObject({ url: join(dir, 'repo'), isLocal: true, ref: 'main', path: 'clusters' });
    expect(controller.state).toBe(join(dir, 'state'));
    expect((await readPassphrase({}, controller.keystore?.passphraseFile))?.reveal()).toHaveLength(43);
    const agents = await Promise.all(
      ['a', 'b', 'c'].map((name) => loadAgentConfig(join(dir, 'agents', `${name}.yaml`))),
    );
    expect(agents.map(({ name, listen, dataDir }) => [name, listen, dataDir])).toEqual(
      [7001, 7002, 7003].map((port, index) => {
        const name = 'abc'.charAt(index);
        return [name, { host: '127.0.0.1', port }, join(dir, 'hosts', name)];
      }),
    );
    for (const { identity } of [controller, ...agents]) {
      const certificate = parseCertificate(await readFile(identity.cert, 'utf8'));
      expect(certificate.issuer).toBe(parseCertificate(await readFile(identity.ca, 'utf8')).subject);
      expect((await stat(identity.key)).isFile()).toBe(true);
    }
  });

  test('is told how to start, in words that a shell takes', async () => {
    dir = join(parent, "it's here");
    const text = await run();
    const commands = text.split('\n').filter((line) => line.startsWith('  quorate '));
    expect(commands).toHaveLength(5);
    const files = commands.map((command) =>
      execFileSync('sh', ['-c', `printf %s ${command.replace(/^.*--config /, '')}`], { encoding: 'utf8' }),
    );
    expect(files.slice(0, 4)).toEqual([
      ...['a', 'b', 'c'].map((name) => join(dir, 'agents', `${name}.yaml`)),
      join(dir, 'controller.yaml'),
    ]);
    for (const file of files) expect((await stat(file)).isFile()).toBe(true);
    expect((await loadSpec('orders')).diagnostics).toEqual([]);
  });

  test('commits in the name of the user, whatever the surroundings say about other repositories', async () => {
    await writeFile(
      join(parent, 'home', '.gitconfig'),
      '[user]\nname = Ada\nemail = ada@example.com\n[commit]\ngpgSign = true\n[core]\nhooksPath = /nowhere\n',
    );
    await run({
      environment: { ...environment, GIT_DIR: join(parent, 'elsewhere'), GIT_INDEX_FILE: join(parent, 'index') },
    });
    expect(git('log', '--format=%an <%ae>')).toBe('Ada <ada@example.com>');
    expect(await readdir(parent)).toEqual(expect.not.arrayContaining(['elsewhere', 'index']));
  });
});

describe('a fleet of real hosts', () => {
  test('takes names, addresses, the version and the cluster as given, with the standard ports', async () => {
    const text = await run({
      cluster: 'carts',
      version: '3.5.33',
      hosts: hosts('n1=10.0.0.11:7001', 'n2=10.0.0.12:7001', 'n3=[2001:DB8::3]:7001', 'true=10.0.0.14:7001'),
    });
    const { specs, diagnostics } = await loadSpec('carts');
    expect(diagnostics).toEqual([]);
    const spec = specs[0]?.spec;
    expect(spec).toMatchObject({ name: 'carts', version: '3.5.33', members: 3 });
    expect(spec?.hosts.map(({ name, agent, address, ports }) => [name, agent, address, ports.client])).toEqual([
      ['n1', 'https://10.0.0.11:7001', '10.0.0.11', 2379],
      ['n2', 'https://10.0.0.12:7001', '10.0.0.12', 2379],
      ['n3', 'https://[2001:db8::3]:7001', '2001:db8::3', 2379],
      ['true', 'https://10.0.0.14:7001', '10.0.0.14', 2379],
    ]);
    expect(await readFile(join(dir, 'agents', 'n3.yaml'), 'utf8')).toContain('listen: "[2001:db8::3]:7001"');
    const agent = parseCertificate(await readFile(join(dir, 'pki', 'agents', 'n3.crt'), 'utf8'));
    expect(agent.sans).toContain('2001:db8::3');
    expect(text).toContain('Keep pki/ca.key off the hosts');
  });
});

describe('refused, and nothing is changed', () => {
  test('a folder that holds something, also the second time', async () => {
    await run();
    const head = git('rev-parse', 'HEAD');
    expect(await refusalOf({})).toBe('folder-not-empty (invalid)');
    expect(git('rev-parse', 'HEAD')).toBe(head);
    await mkdir(join(parent, 'other'));
    await writeFile(join(parent, 'other', '.hidden'), '');
    expect(await refusalOf({ dir: join(parent, 'other') })).toBe('folder-not-empty (invalid)');
  });

  test('a file, and a place below a file', async () => {
    await writeFile(dir, 'mine');
    expect(await refusalOf({})).toBe('folder-unusable (invalid)');
    expect(await refusalOf({ dir: join(dir, 'deeper') })).toBe('folder-unusable (invalid)');
    expect(await readFile(dir, 'utf8')).toBe('mine');
  });

  test('bad names and versions', async () => {
    for (const cluster of ['', 'A', '../x', 'a b', 'x'.repeat(64)])
      expect(await refusalOf({ cluster })).toBe('name-invalid (invalid)');
    for (const version of ['', '3.6', 'v3.6.14', '4.0.0', '3.6.14\nx: y', '3.5.2'])
      expect(await refusalOf({ version })).toBe('version-invalid (invalid)');
  });

  const badHosts: readonly (readonly HostInput[])[] = [
    [{ name: 'A', ip: '10.0.0.1', port: 7001 }],
    [{ name: '../a', ip: '10.0.0.1', port: 7001 }],
    [{ name: 'a', ip: 'host.example.com', port: 7001 }],
    [{ name: 'a', ip: '0.0.0.0', port: 7001 }],
    [{ name: 'a', ip: 'fe80::1%eth0', port: 7001 }],
    [{ name: 'a', ip: '10.0.0.1', port: 0 }],
    [{ name: 'a', ip: '10.0.0.1', port: 70_000 }],
    [{ name: 'a', ip: '10.0.0.1', port: 2380 }],
    hosts('a=10.0.0.1:7001', 'a=10.0.0.2:7001'),
    hosts('a=10.0.0.1:7001', 'b=10.0.0.1:7001'),
    hosts('a=10.0.0.1:7001', 'b=10.0.0.1:2379'),
    Array.from({ length: 33 }, (_, index) => ({ name: `h${index}`, ip: `10.0.0.${index}`, port: 7001 })),
  ];
  test.each(
    badHosts.map((bad) => ({
      bad,
      text: bad
        .map(({ name, ip, port }) => `${name}=${ip}:${port}`)
        .slice(0, 2)
        .join(' '),
    })),
  )('hosts $text', async ({ bad }) => {
    expect(await refusalOf({ hosts: bad })).toBe('host-invalid (invalid)');
  });

  test('without git, in a new folder and in an empty one', async () => {
    const withoutGit = { ...environment, PATH: join(parent, 'home') };
    expect(await refusalOf({ environment: withoutGit })).toBe('git-failed (stalled)');
    await mkdir(dir);
    expect(await refusalOf({ environment: withoutGit })).toBe('git-failed (stalled)');
  });
});

describe('where it goes', () => {
  test('into an empty folder, which stays the same folder', async () => {
    await mkdir(dir);
    await chmod(dir, 0o750);
    const { ino } = await stat(dir);
    await run();
    expect((await stat(dir)).ino).toBe(ino);
    expect((await readdir(dir)).toSorted()).toEqual(['agents', 'controller.yaml', 'pki', 'repo', 'state']);
    expect(git('status', '--porcelain')).toBe('');
  });

  test('through a link, and into folders that do not exist yet', async () => {
    await symlink(parent, join(parent, 'link'));
    await run({ dir: join(parent, 'link', 'deep', 'fleet') });
    dir = join(parent, 'deep', 'fleet');
    expect((await readdir(join(parent, 'deep'))).toSorted()).toEqual(['fleet']);
    expect((await loadSpec('orders')).specs[0]?.spec.backup.store).toBe(pathToFileURL(join(dir, 'backups')).href);
  });
});

test('the default release is the newest patch of its minor, and nothing is known against it', () => {
  expect(Object.values(latestPatches)).toContain(defaultVersion);
  expect(assessRelease(defaultVersion).severity).toBe('none');
});

test('nobody is told to raise the version of a running cluster, and the help names the defaults', async () => {
  await run();
  const spec = await readFile(join(dir, 'repo', 'clusters', 'orders.yaml'), 'utf8');
  expect(spec).not.toContain('Raise it');
  expect(spec).toContain('does not change the version of a running cluster');
  const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
  const help = execFileSync(process.execPath, ['--import', 'tsx', main, 'init', '--help'], { encoding: 'utf8' });
  expect(help).not.toContain('default: []');
  expect(help).toContain(`etcd release; default ${defaultVersion}`);
});
