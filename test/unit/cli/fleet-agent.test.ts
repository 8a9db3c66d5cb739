import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { connectAgent } from '../../../src/agent/client.ts';
import { loadAgentConfig } from '../../../src/agent/config.ts';
import { startAgent } from '../../../src/agent/daemon.ts';
import { readIdentity } from '../../../src/agent/identity.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { waitUntil } from '../../../src/base/wait.ts';
import { addHost } from '../../../src/cli/fleet/add.ts';
import { renewFleet } from '../../../src/cli/fleet/renew.ts';
import { psCommand } from '../../../src/cli/hosts.ts';
import { loadControllerConfig } from '../../../src/controller/config.ts';
import { createBinaries } from '../../../src/etcd/binaries.ts';
import { freePorts, inFleetFolder, screen } from './fleet-folder.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** Fingerprint of what a server presents now. */
function presentedAt(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

test('an agent that was added serves the controller, also after both were renewed, without a restart', async () => {
  await inFleetFolder({}, async (dir) => {
    const [port = 0] = await freePorts(1);
    await addHost(dir, { name: 'd', ip: '127.0.0.1', port }, systemClock, screen());
    const config = await loadAgentConfig(join(dir, 'agents/d.yaml'));
    const binaries = createBinaries({
      dirs: [],
      sources: [],
      cacheDir: join(dir, 'cache'),
      clock: systemClock,
      log: silentLogger,
    });
    const tuning = { identityEveryMs: 20 };
    const agent = await startAgent({ config, binaries, clock: systemClock, log: silentLogger, tuning });
    const { identity } = await loadControllerConfig(join(dir, 'controller.yaml'));
    const ask = async (): Promise<string> => {
      const client = connectAgent({ url: agent.url, expectedHost: 'd', identity: () => readIdentity(identity) });
      try {
        return (await client.facts()).host;
      } finally {
        await client.close();
      }
    };
    try {
      expect(await ask()).toBe('d');
      expect(await renewFleet(dir, true, systemClock, screen())).toBe(0);
      const renewed = new X509Certificate(await readFile(config.identity.cert)).fingerprint256;
      const ca = await readFile(config.identity.ca, 'utf8');
      const isTaken = await waitUntil(systemClock, { timeoutMs: 10_000, intervalMs: 10 }, async () =>
        (await presentedAt(port, ca)) === renewed ? true : undefined,
      );
      expect(isTaken).toMatchObject({ seen: true });
      expect(await ask()).toBe('d');
    } finally {
      await agent.close();
    }
  });
});

test('every line of the log of an agent names its host once', async () => {
  const [port = 0] = await freePorts(1);
  await inFleetFolder({ hosts: [`a=127.0.0.1:${port}`] }, async (dir) => {
    const args = ['--import', 'tsx', main, 'agent', '--config', join(dir, 'agents/a.yaml')];
    const agent = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 25_000 });
    const ended = new Promise((resolve) => {
      agent.once('close', resolve);
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: agent.stderr })) {
      lines.push(line);
      if (line.includes('agent serves')) agent.kill('SIGTERM');
    }
    await ended;
    expect(lines.length).toBeGreaterThanOrEqual(3);
    expect(lines.map((line) => line.match(/"host":"a"/g)?.length)).toEqual(lines.map(() => 1));
  });
});

test('ps keeps its columns when an agent does not answer, and gives the reason below', async () => {
  const [a = 0, b = 0] = await freePorts(2);
  await inFleetFolder({ hosts: [`a=127.0.0.1:${a}`, `b=127.0.0.1:${b}`] }, async (dir) => {
    const terminal = screen();
    expect(await psCommand({ config: join(dir, 'controller.yaml') }, terminal)).toBe(1);
    const [head = '', first, second, blank, ...reasons] = terminal.printed().trimEnd().split('\n');
    expect(head).toMatch(/^HOST {2}CLUSTER {2}STATE {8}PID /);
    expect([first, second].map((line) => line?.split(/ +/).slice(0, 3))).toEqual([
      ['a', 'orders', 'unreachable'],
      ['b', 'orders', 'unreachable'],
    ]);
    expect(blank).toBe('');
    expect(reasons).toEqual([
      expect.stringMatching(/^a: no answer: connect ECONNREFUSED .*\. Check that the agent runs/),
      expect.stringMatching(/^b: no answer: connect ECONNREFUSED /),
    ]);
  });
});
