import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { addHost } from '../../../src/cli/fleet/add.ts';
import { listFleet } from '../../../src/cli/fleet/list.ts';
import { renewFleet } from '../../../src/cli/fleet/renew.ts';
import { commitAll } from '../../../src/cli/init/repository.ts';
import { parseHost } from '../../../src/cli/init.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { createFleetAuthority } from '../../../src/tls/fleet.ts';
import { parseCertificate } from '../../../src/tls/leaf.ts';
import { clockAt, dayMs, startMs } from '../tls/certificates.ts';
import { errorOf, inFleetFolder, screen } from './fleet-folder.ts';

async function add(dir: string, host: string, clock = systemClock): Promise<string> {
  const terminal = screen();
  expect(await addHost(dir, parseHost(host), clock, terminal)).toBe(0);
  return terminal.printed();
}

/** Every file of pki/ and agents/ with its content. */
async function contentOf(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of ['agents', 'pki', 'pki/agents'])
    for (const entry of await readdir(join(dir, folder), { withFileTypes: true }))
      if (entry.isFile()) found[`${folder}/${entry.name}`] = await readFile(join(dir, folder, entry.name), 'utf8');
  return found;
}

/** The printed line of a host, put into the spec that init made; what the loader says of it. */
async function specWith(dir: string, ...outputs: readonly string[]): Promise<ReturnType<typeof loadSpecs>> {
  const path = join(dir, 'repo/clusters/orders.yaml');
  const lines = outputs.map((output) => output.split('\n').find((line) => line.startsWith('    - {')) ?? 'no line');
  const text = (await readFile(path, 'utf8')).replace('  hosts:\n', `  hosts:\n${lines.join('\n')}\n`);
  await writeFile(path, text);
  return loadSpecs([{ path: 'orders.yaml', content: text }]);
}

const portsIn = (loaded: ReturnType<typeof loadSpecs>, name: string): unknown =>
  loaded.specs[0]?.spec.hosts.find((host) => host.name === name)?.ports;

describe('fleet add', () => {
  test('a host of its own: a certificate for it, a configuration, the line for the spec, what to copy', async () => {
    await inFleetFolder({ hosts: ['a=10.0.0.11:7001'] }, async (dir) => {
      const output = await add(dir, 'd=[2001:DB8::4]:7001');
      const config = await loadAgentConfig(join(dir, 'agents/d.yaml'));
      expect(config).toMatchObject({ name: 'd', listen: { host: '2001:db8::4', port: 7001 } });
      const certificate = parseCertificate(await readFile(config.identity.cert, 'utf8'));
      expect(certificate.issuer).toBe(parseCertificate(await readFile(config.identity.ca, 'utf8')).subject);
      expect(certificate.sans).toEqual(expect.arrayContaining(['quorate://agent/d', 'd', '2001:db8::4']));
      expect((await stat(config.identity.key)).mode & 0o777).toBe(0o600);
      for (const file of ['agents/d.yaml', 'pki/ca.crt', 'pki/agents/d.crt', 'pki/agents/d.key'])
        expect(output).toContain(`  ${file}\n`);
      const loaded = await specWith(dir, output);
      expect(loaded.diagnostics).toEqual([]);
      expect(portsIn(loaded, 'd')).toMatchObject({ client: 2379, peer: 2380, metrics: 2381 });
    });
  });

  test('hosts that share an address get free ports, those of other clusters and agents left out', async () => {
    await inFleetFolder({}, async (dir) => {
      const spec = parse(await readFile(join(dir, 'repo/clusters/orders.yaml'), 'utf8')) as {
        metadata: { name: string };
        spec: { hosts: { name: string; ports: object }[] };
      };
      spec.metadata.name = 'carts';
      const [first] = spec.spec.hosts;
      spec.spec.hosts = first === undefined ? [] : [{ ...first, ports: { client: 2409, peer: 3380, metrics: 3381 } }];
      await writeFile(
        join(dir, 'repo/clusters/carts.yaml'),
        stringify({ ...spec, spec: { ...spec.spec, members: 1 } }),
      );
      await rm(join(dir, 'repo/.git'), { recursive: true });
      await commitAll(join(dir, 'repo'), 'Two clusters', { PATH: process.env['PATH'], HOME: dir });
      // 2409 is taken by carts; then by d, which no commit names yet, and by the agent of e.
      const d = await add(dir, 'd=127.0.0.1:7004');
      const e = await add(dir, 'e=127.0.0.2:2430');
      expect(d).not.toContain('could not all be read');
      const loaded = await specWith(dir, d, e);
      expect(loaded.diagnostics).toEqual([]);
      expect(portsIn(loaded, 'd')).toMatchObject({ client: 2419, peer: 2420, metrics: 2421 });
      expect(portsIn(loaded, 'e')).toMatchObject({ client: 2439, peer: 2440, metrics: 2441 });
    });
  });

  test('where the specs cannot be read, it says that ports may be taken', async () => {
    await inFleetFolder({}, async (dir) => {
      await rm(join(dir, 'repo'), { recursive: true });
      expect(await add(dir, 'd=127.0.0.1:7004')).toMatch(/The specs could not all be read.*ports are free/);
    });
  });

  test('the same host twice changes nothing; what a cut-off call left is used', async () => {
    await inFleetFolder({}, async (dir) => {
      await add(dir, 'd=10.0.0.14:7001');
      const before = await contentOf(dir);
      for (const host of ['d=10.0.0.14:7001', 'd=10.0.0.15:7001', 'x=10.0.0.14:7001'])
        expect((await errorOf(addHost(dir, parseHost(host), systemClock, screen()))).code).toBe('host-exists');
      await rm(join(dir, 'agents/d.yaml'));
      expect((await errorOf(addHost(dir, parseHost('d=10.0.0.15:7001'), systemClock, screen()))).code).toBe(
        'host-exists',
      );
      await add(dir, 'd=10.0.0.14:7001');
      expect(await contentOf(dir)).toEqual(before);
      // A key whose certificate was not yet written is of no use to anybody.
      await rm(join(dir, 'agents/d.yaml'));
      await rm(join(dir, 'pki/agents/d.crt'));
      await add(dir, 'd=10.0.0.14:7001');
      expect((await contentOf(dir))['pki/agents/d.key']).not.toBe(before['pki/agents/d.key']);
    });
  });

  test('what is missing or wrong is said, and nothing is written', async () => {
    await inFleetFolder({}, async (dir) => {
      const host = parseHost('d=10.0.0.14:7001');
      const codeOf = async (folder = dir, wanted = host): Promise<string> =>
        (await errorOf(addHost(folder, wanted, systemClock, screen()))).code;
      expect(await codeOf(join(dir, 'repo'))).toBe('not-a-fleet');
      expect(await codeOf(join(dir, 'absent'))).toBe('not-a-fleet');
      expect(await codeOf(dir, parseHost('d=10.0.0.14:2380'))).toBe('host-invalid');
      const before = await contentOf(dir);
      await writeFile(join(dir, 'pki/ca.key'), (await createFleetAuthority(systemClock)).key);
      expect(await codeOf()).toBe('fleet-authority-unusable');
      await writeFile(join(dir, 'pki/ca.key'), 'no key');
      expect(await codeOf()).toBe('fleet-authority-unusable');
      await rename(join(dir, 'pki/ca.key'), join(dir, 'ca.key'));
      const missing = await errorOf(addHost(dir, host, systemClock, screen()));
      expect([missing.code, missing.remedy]).toEqual([
        'fleet-authority-missing',
        expect.stringContaining('Copy it there'),
      ]);
      await rename(join(dir, 'ca.key'), join(dir, 'pki/ca.key'));
      await writeFile(join(dir, 'pki/ca.key'), before['pki/ca.key'] ?? '');
      expect(await contentOf(dir)).toEqual(before);
      const later = clockAt(startMs + 3651 * dayMs);
      expect((await errorOf(addHost(dir, host, later, screen()))).message).toContain('it ended at');
    });
  });
});

describe('fleet renew', () => {
  const renew = async (dir: string, nowMs: number, isForAll = false): Promise<{ code: number; text: string }> => {
    const terminal = screen();
    const code = await renewFleet(dir, isForAll, clockAt(nowMs), terminal);
    return { code, text: terminal.printed() + terminal.complained() };
  };
  const renewedIn = (text: string): readonly string[] =>
    [...text.matchAll(/^renewed (\S+), until/gm)].map((match) => match[1] ?? '');

  test('those past two thirds of their life, with the same names; the former ones stay as .previous', async () => {
    await inFleetFolder({ clock: clockAt(startMs) }, async (dir) => {
      await add(dir, 'd=10.0.0.14:7001', clockAt(startMs + 200 * dayMs));
      const before = await contentOf(dir);
      expect(await renew(dir, startMs + 200 * dayMs)).toMatchObject({ code: 0, text: /^Nothing is due before / });
      expect(await contentOf(dir)).toEqual(before);
      const nowMs = startMs + 250 * dayMs;
      const { code, text } = await renew(dir, nowMs);
      expect([code, renewedIn(text)]).toEqual([0, ['controller', 'operator', 'agents/a', 'agents/b', 'agents/c']]);
      const after = await contentOf(dir);
      for (const name of ['controller', 'agents/a']) {
        const path = join('pki', name);
        const [old, fresh] = [before[`${path}.crt`] ?? '', after[`${path}.crt`] ?? ''];
        expect(parseCertificate(fresh).sans).toEqual(parseCertificate(old).sans);
        expect(parseCertificate(fresh).subject).toBe(parseCertificate(old).subject);
        expect(parseCertificate(fresh).notAfterMs).toBe(nowMs + 365 * dayMs);
        expect(after[`${path}.key`]).not.toBe(before[`${path}.key`]);
        expect([after[`${path}.crt.previous`], after[`${path}.key.previous`]]).toEqual([old, before[`${path}.key`]]);
        for (const file of [`${path}.key`, `${path}.key.previous`])
          expect((await stat(join(dir, file))).mode & 0o777).toBe(0o600);
      }
      expect(after['pki/agents/d.crt']).toBe(before['pki/agents/d.crt']);
      expect(Object.keys(after).filter((file) => file.endsWith('.new') || file.endsWith('.tmp'))).toEqual([]);
      expect(renewedIn((await renew(dir, nowMs, true)).text)).toContain('agents/d');
    });
  });

  test('a pair that was torn by a crash is mended, and does not become the former one', async () => {
    await inFleetFolder({}, async (dir) => {
      const nowMs = systemClock.now();
      await renew(dir, nowMs, true);
      const before = await contentOf(dir);
      // What is left when the key was exchanged and the certificate not.
      await writeFile(join(dir, 'pki/agents/b.key'), before['pki/agents/c.key'] ?? '');
      expect(renewedIn((await renew(dir, nowMs)).text)).toEqual(['agents/b']);
      const after = await contentOf(dir);
      expect(after['pki/agents/b.key.previous']).toBe(before['pki/agents/b.key.previous']);
      expect(after['pki/agents/b.crt.previous']).toBe(before['pki/agents/b.crt.previous']);
      expect(renewedIn((await renew(dir, nowMs)).text)).toEqual([]);
    });
  });

  test('a key that lies on its host alone is made anew; a certificate that nobody can read hides no other', async () => {
    await inFleetFolder({}, async (dir) => {
      await rm(join(dir, 'pki/agents/a.key'));
      await writeFile(join(dir, 'pki/agents/b.crt'), 'no certificate');
      const { code, text } = await renew(dir, systemClock.now() + 300 * dayMs);
      expect(code).toBe(1);
      expect(renewedIn(text)).toEqual(['controller', 'operator', 'agents/a', 'agents/c']);
      expect(text).toContain('left as it is: agents/b: ');
      const after = await contentOf(dir);
      expect(after).toHaveProperty(['pki/agents/a.crt.previous']);
      expect(after).not.toHaveProperty(['pki/agents/a.key.previous']);
      expect(after['pki/agents/b.crt']).toBe('no certificate');
    });
  });

  test('a certificate of another authority is renewed with --all alone', async () => {
    await inFleetFolder({}, async (dir) => {
      const { certificate, key } = await createFleetAuthority(systemClock);
      await writeFile(join(dir, 'pki/ca.crt'), certificate);
      await writeFile(join(dir, 'pki/ca.key'), key);
      const some = await renew(dir, systemClock.now());
      expect([some.code, renewedIn(some.text)]).toEqual([1, []]);
      expect(some.text).toContain('left as it is: controller: not signed by pki/ca.crt');
      const all = await renew(dir, systemClock.now(), true);
      expect([all.code, renewedIn(all.text).length]).toEqual([0, 5]);
    });
  });

  test('what cannot be written exchanges nothing', async () => {
    await inFleetFolder({}, async (dir) => {
      const before = await contentOf(dir);
      // A folder stands where the new certificate is prepared.
      await mkdir(join(dir, 'pki/controller.crt.new'));
      const error = await errorOf(renewFleet(dir, true, systemClock, screen()));
      expect(error.code).toBe('fleet-unreadable');
      const after = await contentOf(dir);
      expect(Object.entries(after).filter(([file]) => !file.includes('.new'))).toEqual(Object.entries(before));
      await rm(join(dir, 'pki/controller.crt.new'), { recursive: true });
      expect((await renew(dir, systemClock.now(), true)).code).toBe(0);
      expect(Object.keys(await contentOf(dir)).filter((file) => file.includes('.new'))).toEqual([]);
    });
  });
});

describe('fleet list', () => {
  test('each certificate with its end and its state', async () => {
    await inFleetFolder({ hosts: ['a=10.0.0.11:7001'], clock: clockAt(startMs) }, async (dir) => {
      await add(dir, 'd=10.0.0.14:7001', clockAt(startMs + 200 * dayMs));
      await writeFile(join(dir, 'pki/agents/x.crt'), 'no certificate');
      // Neither the former pairs nor anything else is a certificate in use.
      await writeFile(join(dir, 'pki/agents/a.crt.previous'), 'no certificate');
      await mkdir(join(dir, 'pki/agents/old'));
      const statesAt = async (nowMs: number): Promise<unknown> => {
        const terminal = screen();
        expect(await listFleet(dir, 'json', clockAt(nowMs), terminal)).toBe(0);
        const { certificates } = JSON.parse(terminal.printed()) as { certificates: { name: string; state: string }[] };
        return certificates.map(({ name, state }) => `${name} ${state}`);
      };
      expect(await statesAt(startMs + 250 * dayMs)).toEqual([
        'ca good',
        'controller due',
        'operator due',
        'agents/a due',
        'agents/d good',
        'agents/x unreadable',
      ]);
      expect(await statesAt(startMs + 366 * dayMs)).toContain('controller expired');
      expect(await statesAt(startMs + 3651 * dayMs)).toContain('ca expired');
      const terminal = screen();
      await listFleet(dir, 'text', clockAt(startMs), terminal);
      const end = new Date(startMs + 365 * dayMs).toISOString().slice(0, 19);
      expect(terminal.printed()).toMatch(new RegExp(`^controller +${end}Z +1y +good$`, 'm'));
      expect((await errorOf(listFleet(join(dir, 'repo'), 'text', systemClock, terminal))).code).toBe('not-a-fleet');
    });
  });
});
