import { mkdir, readdir } from 'node:fs/promises';
import { Agent as HttpsAgent } from 'node:https';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectAgent } from '../../../src/agent/client.ts';
import type { Identity } from '../../../src/agent/identity.ts';
import { archivesFolder, clustersFolder } from '../../../src/agent/paths.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { QuorateError } from '../../../src/base/errors.ts';
import { type Logger, silentLogger } from '../../../src/base/log.ts';
import { createFleetAuthority } from '../../../src/tls/fleet.ts';
import { parseCertificate } from '../../../src/tls/leaf.ts';
import {
  closeHost,
  connect,
  type Fleet,
  makeFleet,
  startHost,
  type TestHost,
  waitFor,
  writeIdentity,
} from './fleet.ts';
import { type Answer, send } from './raw-request.ts';

const fence = { epoch: 5, runId: 'run-5' };

let fleet: Fleet;
let host: TestHost;
let controller: Identity;
let failedChores: unknown[];

beforeEach(async () => {
  fleet = await makeFleet();
  failedChores = [];
  const log: Logger = {
    ...silentLogger,
    child: () => log,
    error: (fields) => {
      if ('chore' in fields) failedChores.push(fields.chore);
    },
  };
  host = await startHost(fleet, 'a', { tuning: { identityEveryMs: 50 }, log });
  controller = await fleet.identity({ kind: 'controller' });
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

describe('who may talk to an agent', () => {
  it('turns away whoever shows no certificate, one of another fleet, or an old TLS', async () => {
    await expect(send(host.agent.url, '/v1/facts', { ca: controller.ca })).rejects.toThrow(/alert|ECONNRESET|hang up/i);
    const stranger = await fleet.identity({ kind: 'controller' }, await createFleetAuthority(systemClock));
    await expect(send(host.agent.url, '/v1/facts', { ...stranger })).rejects.toThrow(/alert|ECONNRESET|hang up/i);
    await expect(
      send(host.agent.url, '/v1/facts', { ...controller, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }),
    ).rejects.toThrow(/version|protocol/i);
    expect((await send(host.agent.url, '/v1/facts', { ...controller, maxVersion: 'TLSv1.2' })).status).toBe(200);
  });

  it('lets an operator read and not write, and another agent do nothing', async () => {
    const operator = await connect(fleet, host.agent.url, 'a', { kind: 'operator' });
    expect((await operator.facts()).host).toBe('a');
    await expect(operator.commands('orders', fence).stop({ graceMs: 0 })).rejects.toMatchObject({
      code: 'not-allowed',
    });
    await operator.close();
    const agent = await connect(fleet, host.agent.url, 'a', { kind: 'agent', name: 'b', address: '127.0.0.1' });
    await expect(agent.facts()).rejects.toBeInstanceOf(QuorateError);
    await agent.close();
    expect(await readdir(clustersFolder(host.dataDir))).toEqual([]);
  });

  it('knows the caller on a resumed TLS session too', async () => {
    const sessions = new HttpsAgent({ keepAlive: false, maxCachedSessions: 10 });
    const ask = (): Promise<Answer> => send(host.agent.url, '/v1/facts', { ...controller, agent: sessions });
    await ask();
    await waitFor('a resumed session', async () => {
      const answer = await ask();
      expect(answer.status).toBe(200);
      return answer.isResumed;
    });
    sessions.destroy();
  });

  it('answers for itself only', async () => {
    const misled = await connect(fleet, host.agent.url, 'b');
    await expect(misled.facts()).rejects.toMatchObject({ code: 'wrong-host', kind: 'stalled' });
    await expect(misled.commands('orders', fence).stop({ graceMs: 0 })).rejects.toMatchObject({ code: 'wrong-host' });
    await misled.close();
    expect(await readdir(clustersFolder(host.dataDir))).toEqual([]);
  });
});

describe('the fencing epoch', () => {
  it('keeps out an older controller, also after a restart of the agent', async () => {
    const newer = host.client.commands('orders', fence);
    const older = host.client.commands('orders', { epoch: 4, runId: 'run-4' });
    await older.stop({ graceMs: 0 });
    await newer.stop({ graceMs: 0 });
    await newer.stop({ graceMs: 0 });
    await expect(older.stop({ graceMs: 0 })).rejects.toMatchObject({ code: 'stale-epoch', kind: 'refused' });
    await closeHost(host);
    host = await startHost(fleet, 'a');
    await expect(host.client.commands('orders', { epoch: 4, runId: 'x' }).stop({ graceMs: 0 })).rejects.toMatchObject({
      code: 'stale-epoch',
    });
    // Each cluster has its own.
    await host.client.commands('billing', { epoch: 1, runId: 'x' }).stop({ graceMs: 0 });
    const { clusters } = await host.client.facts();
    expect([clusters['orders']?.epoch, clusters['billing']?.epoch]).toEqual([5, 1]);
  });
});

describe('an agent that starts', () => {
  it('prunes archives, never the newest', async () => {
    await closeHost(host);
    const folder = archivesFolder(host.dataDir);
    const names = ['orders-data-20200101T000000Z-old', 'orders-data-20200102T000000Z-newest'];
    for (const name of names) await mkdir(join(folder, name, 'member'), { recursive: true });
    host = await startHost(fleet, 'a');
    await waitFor('the pruning', async () => (await readdir(folder)).length === 1);
    expect(await readdir(folder)).toEqual(names.slice(1));
  });
});

describe('certificates', () => {
  it('of the agent are exchanged without a restart, and a wrong pair changes nothing', async () => {
    const before = await presented();
    const next = await fleet.identity({ kind: 'agent', name: 'a', address: '127.0.0.1' });
    await writeIdentity(`${fleet.folder}/pki/a`, { ...next, key: controller.key });
    await waitFor('a look at the wrong pair', async () => failedChores.includes('renew identity'));
    expect(await presented()).toBe(before);
    await writeIdentity(`${fleet.folder}/pki/a`, next);
    const wanted = parseCertificate(next.cert).fingerprint;
    await waitFor('the new certificate', async () => (await presented()) === wanted);
    expect((await host.client.facts()).host).toBe('a');
  });

  it('of the caller are asked for at every connection', async () => {
    let identity = await fleet.identity({ kind: 'controller' }, await createFleetAuthority(systemClock));
    const client = connectAgent({ url: host.agent.url, expectedHost: 'a', identity: async () => identity });
    await expect(client.facts()).rejects.toBeInstanceOf(QuorateError);
    identity = controller;
    expect((await client.facts()).host).toBe('a');
    await client.close();
  });

  it('of an agent that another fleet signed are not trusted', async () => {
    const { certificate } = await createFleetAuthority(systemClock);
    const client = connectAgent({
      url: host.agent.url,
      expectedHost: 'a',
      identity: async () => ({ ...controller, ca: certificate }),
    });
    await expect(client.facts()).rejects.toMatchObject({ code: 'agent-refused', kind: 'stalled' });
    await client.close();
  });

  it('do not matter when nobody answers', async () => {
    const { url } = host.agent;
    await closeHost(host);
    const client = await connect(fleet, url, 'a');
    await expect(client.facts()).rejects.toMatchObject({ code: 'agent-unreachable', kind: 'transient' });
    await client.close();
  });
});

function presented(): Promise<string> {
  const url = new URL(host.agent.url);
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ ...controller, host: url.hostname, port: Number(url.port) }, () => {
      resolve(socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase());
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
