import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { known, unknown } from '../../../src/base/observation.ts';
import { loadControllerConfig } from '../../../src/controller/config.ts';
import type { LiveHost, LiveState } from '../../../src/observe/live-state.ts';
import { plan } from '../../../src/plan/planner.ts';
import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { loadSpecs } from '../../../src/spec/load.ts';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const clusterFiles = (await readdir(join(examples, 'clusters'))).toSorted();
const agentFiles = (await readdir(join(examples, 'agents'))).toSorted();
const nowMs = Date.UTC(2026, 10, 20);

async function loadExample(file: string): Promise<ClusterSpec> {
  const path = `clusters/${file}`;
  const { specs, diagnostics } = loadSpecs([{ path, content: await readFile(join(examples, path)) }]);
  expect(diagnostics, `findings in ${path}`).toEqual([]);
  const spec = specs[0]?.spec;
  if (spec === undefined) throw new Error(`${path} gives no spec`);
  return spec;
}

/** Hosts that never had anything to do with a cluster, and a store and a keystore with nothing in them. */
function nothingThere(spec: ClusterSpec): LiveState {
  const hosts = spec.hosts.map(
    ({ name, agent, address }): LiveHost => ({
      name,
      agent,
      address,
      declared: true,
      facts: known({
        host: {
          nowMs,
          agentVersion: '0.1.0',
          disk: { freeBytes: 1024 ** 4, totalBytes: 1024 ** 4, fsyncMs: 1 },
          binaries: [],
        },
        member: {
          process: { state: 'absent', restarts: 0 },
          data: { state: 'empty', archives: [] },
          latched: null,
          certificates: { peer: null, client: null },
          epoch: 0,
          restore: { staged: null, prepared: null },
        },
      }),
    }),
  );
  return {
    cluster: spec.name,
    observedAtMs: nowMs,
    hosts,
    etcd: unknown('nothing listens'),
    record: known(null),
    backups: known([]),
    authorities: known({}),
  };
}

describe('the cluster specs', () => {
  test('there are the five that the README names', () => {
    expect(clusterFiles).toEqual(['five.yaml', 'loopback.yaml', 'single.yaml', 'three-zones.yaml', 'tuned.yaml']);
  });

  test.each(clusterFiles)('%s is valid, and planned as one bootstrap on empty hosts', async (file) => {
    const spec = await loadExample(file);
    const made = plan(spec, nothingThere(spec), '0123456789abcdef0123456789abcdef01234567');
    expect(made.refusals).toEqual([]);
    expect(made.waits).toEqual([]);
    expect(made.warnings).toEqual([]);
    expect(made.applyable).toBe(true);
    expect(made.steps.map(({ action, target }) => [action, target])).toEqual([['bootstrap-cluster', spec.name]]);
    const hosts = Object.keys(made.steps[0]?.detail.hosts ?? {});
    expect(hosts).toHaveLength(spec.members);
    const cordoned = spec.hosts.filter((host) => host.cordon).map((host) => host.name);
    expect(hosts.filter((host) => cordoned.includes(host))).toEqual([]);
  });

  test('three-zones.yaml puts one member into each zone', async () => {
    const spec = await loadExample('three-zones.yaml');
    const hosts = Object.keys(plan(spec, nothingThere(spec), 'f'.repeat(40)).steps[0]?.detail.hosts ?? {});
    const zones = spec.hosts.filter((host) => hosts.includes(host.name)).map((host) => host.zone);
    expect(new Set(zones).size).toBe(3);
  });

  test('tuned.yaml gives etcd the flags that it names', async () => {
    const spec = await loadExample('tuned.yaml');
    const flags = plan(spec, nothingThere(spec), 'f'.repeat(40)).steps[0]?.detail.hosts?.['t3'];
    expect(flags).toMatchObject({
      'election-timeout': '2500',
      'quota-backend-bytes': String(8 * 1024 ** 3),
      'max-request-bytes': String(4 * 1024 ** 2),
      'listen-client-urls': expect.stringContaining('https://10.0.6.11:12379') as string,
    });
  });

  test('all of them can live in one repository', async () => {
    const files = clusterFiles.map(async (file) => ({
      path: file,
      content: await readFile(join(examples, 'clusters', file)),
    }));
    const { specs, diagnostics } = loadSpecs(await Promise.all(files));
    expect(diagnostics).toEqual([]);
    expect(specs).toHaveLength(clusterFiles.length);
  });
});

describe('the configuration files', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'quorate-examples-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('controller.yaml is read', async () => {
    const config = await loadControllerConfig(join(examples, 'controller.yaml'));
    expect(config.git).toMatchObject({ isLocal: false, ref: 'main', path: 'clusters', pollMs: 30_000 });
    expect(config.state).toBe('/var/lib/quorate/controller');
    expect(config.keystore?.passphraseFile).toBe('/etc/quorate/pki/keystore.passphrase');
  });

  test.each(agentFiles)('agents/%s is read, and names a host of an example', async (file) => {
    const config = await loadAgentConfig(join(examples, 'agents', file));
    const specs = await Promise.all(clusterFiles.map(loadExample));
    const agents = specs.flatMap((spec) => spec.hosts).map(({ name, agent }) => `${name} ${agent}`);
    expect(agents).toContain(`${config.name} https://${config.listen.host}:${config.listen.port}`);
    expect(config.dataDir).toBe('/var/lib/quorate/agent');
  });

  test('a mistake in one of them would be noticed', async () => {
    const file = join(folder, 'controller.yaml');
    await writeFile(file, `${await readFile(join(examples, 'controller.yaml'), 'utf8')}\nstat: ./state\n`);
    await expect(loadControllerConfig(file)).rejects.toMatchObject({ code: 'config-invalid' });
  });
});
