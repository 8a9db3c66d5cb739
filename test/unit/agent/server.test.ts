import { readdir } from 'node:fs/promises';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectAgent } from '../../../src/agent/client.ts';
import type { Identity } from '../../../src/agent/identity.ts';
import { clustersFolder } from '../../../src/agent/paths.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createFleetAuthority } from '../../../src/tls/fleet.ts';
import { parseCertificate } from '../../../src/tls/leaf.ts';
import { closeHost, connect, type Fleet, makeFleet, startHost, type TestHost, waitFor, writeIdentity } from './fleet.ts';

const fence = { epoch: 5, runId: 'run-5' };
const stop = '/v1/clusters/orders/stop';

let fleet: Fleet;
let host: TestHost;
let controller: Identity;

beforeEach(async () => {
  fleet = await makeFleet();
  host = await startHost(fleet, 'a', { tuning: { identityEveryMs: 50 } });
  controller = await fleet.identity({ kind: 'controller' });
});

afterEach(async () => {
  await closeHost(host);
  await fleet.remove();
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly isResumed: boolean;
}

/** A request without our client, so that what the client would never send can be sent. */
function send(path: string, options: RequestOptions, body?: string): Promise<Answer> {
  const url = new URL(host.agent.url);
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: url.hostname, port: url.port, path, agent: false, ...options }, (response) => {
      const isResumed = (response.socket as TLSSocket).isSessionReused();
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), isResumed }));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  const usual = { 'content-type': 'application/json', 'quorate-host': 'a', 'quorate-epoch': '1', 'quorate-run': 'r' };
  return send(path, { ...controller, method: 'POST', headers: { ...usual, ...headers } }, body);
}

function codeOf(answer: Answer): unknown {
  return (JSON.parse(answer.body) as { readonly code?: unknown }).code;
}

describe('who may talk to an agent', () => {
  it('turns away whoever shows no certificate, one of another fleet, or an old TLS', async () => {
    await expect(send('/v1/facts', { ca: controller.ca })).rejects.toThrow(/alert|ECONNRESET|hang up/i);
    const stranger = await fleet.identity({ kind: 'controller' }, await createFleetAuthority(systemClock));
    await expect(send('/v1/facts', { ...stranger })).rejects.toThrow(/alert|ECONNRESET|hang up/i);
    await expect(send('/v1/facts', { ...controller, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).rejects.toThrow(/version|protocol/i);
    expect((await send('/v1/facts', { ...controller, maxVersion: 'TLSv1.2' })).status).toBe(200);
  });

  it('lets an operator read and not write, and another agent do nothing', async () => {
    const operator = await connect(fleet, host.agent.url, 'a', { kind: 'operator' });
    expect((await operator.facts()).host).toBe('a');
    await expect(operator.commands('orders', fence).stop({ graceMs: 0 })).rejects.toMatchObject({ code: 'not-allowed' });
    await operator.close();
    const agent = await connect(fleet, host.agent.url, 'a', { kind: 'agent', name: 'b', address: '127.0.0.1' });
    await expect(agent.facts()).rejects.toMatchObject({ code: expect.stringMatching(/^(not-allowed|agent-refused|agent-unreachable)$/) });
    await agent.close();
    expect(await readdir(clustersFolder(host.dataDir))).toEqual([]);
  });

  it('knows the caller on a resumed TLS session too', async () => {
    const sessions = new HttpsAgent({ keepAlive: false, maxCachedSessions: 10 });
    const ask = (): Promise<Answer> => send('/v1/facts', { ...controller, agent: sessions });
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
    await expect(host.client.commands('orders', { epoch: 4, runId: 'x' }).stop({ graceMs: 0 })).rejects.toMatchObject({ code: 'stale-epoch' });
    // Each cluster has its own.
    await host.client.commands('billing', { epoch: 1, runId: 'x' }).stop({ graceMs: 0 });
    const { clusters } = await host.client.facts();
    expect([clusters['orders']?.epoch, clusters['billing']?.epoch]).toEqual([5, 1]);
  });
});

describe('what an agent does not swallow', () => {
  const start = { member: 'a', version: '3.6.14', flags: {}, electionTimeoutMs: 1000 };
  it.each([
    ['no JSON', stop, '{', 'invalid-request'],
    ['nothing', stop, '', 'invalid-request'],
    ['a list', stop, '[]', 'invalid-request'],
    ['an unknown key', stop, '{"graceMs":0,"force":true}', 'invalid-request'],
    ['a number as text', stop, '{"graceMs":"0"}', 'invalid-request'],
    ['an endless grace', stop, '{"graceMs":86400000}', 'invalid-request'],
    ['a prototype', stop, '{"graceMs":0,"__proto__":{"x":1}}', 'invalid-request'],
    ['more than a MiB', stop, JSON.stringify({ graceMs: 0, x: 'x'.repeat(1024 * 1024) }), 'body-too-large'],
    ['another folder', '/v1/clusters/..%2f..%2fetc/stop', '{"graceMs":0}', 'invalid-request'],
    ['a command nobody knows', '/v1/clusters/orders/destroy', '{}', 'unknown-path'],
    ['a version that is a path', '/v1/clusters/orders/fetch-binary', '{"version":"../../3.6.1"}', 'invalid-request'],
    ['a data dir of its own', '/v1/clusters/orders/start', JSON.stringify({ ...start, flags: { 'data-dir': '/' } }), 'flag-not-allowed'],
    ['a trust without certificates', '/v1/clusters/orders/write-trust', '{"domain":"peer","bundle":"-----"}', 'not-pem'],
    ['a third trust domain', '/v1/clusters/orders/write-trust', '{"domain":"../x","bundle":"x"}', 'invalid-request'],
  ])('%s', async (_what, path, body, code) => {
    const answer = await post(path, body);
    expect(codeOf(answer)).toBe(code);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  it.each([
    ['no epoch', { 'quorate-epoch': '' }],
    ['epoch 0', { 'quorate-epoch': '0' }],
    ['a negative epoch', { 'quorate-epoch': '-1' }],
    ['an epoch beyond counting', { 'quorate-epoch': '9999999999999999' }],
    ['a run id with spaces', { 'quorate-run': 'a b' }],
  ])('%s', async (_what, headers: Record<string, string>) => {
    const answer = await post(stop, '{"graceMs":0}', headers);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'fence-missing']);
  });

  it('a command that names no host, and a body that is not JSON', async () => {
    expect((await post(stop, '{"graceMs":0}', { 'quorate-host': '' })).status).toBe(421);
    expect((await post(stop, 'graceMs=0', { 'content-type': 'application/x-www-form-urlencoded' })).status).toBe(415);
    await expect(host.client.logs('nobody', 10)).rejects.toMatchObject({ code: 'unknown-cluster', kind: 'invalid' });
  });
});

describe('certificates', () => {
  it('of the agent are exchanged without a restart, and a wrong pair changes nothing', async () => {
    const before = await presented();
    const next = await fleet.identity({ kind: 'agent', name: 'a', address: '127.0.0.1' });
    await writeIdentity(`${fleet.folder}/pki/a`, { ...next, key: controller.key });
    // Another look at the files has come and gone when a valid pair after it is in use.
    expect(await presented()).toBe(before);
    await writeIdentity(`${fleet.folder}/pki/a`, next);
    const wanted = parseCertificate(next.cert).fingerprint;
    await waitFor('the new certificate', async () => (await presented()) === wanted);
    expect((await host.client.facts()).host).toBe('a');
  });

  it('of the caller are asked for at every connection', async () => {
    let identity = await fleet.identity({ kind: 'controller' }, await createFleetAuthority(systemClock));
    const client = connectAgent({ url: host.agent.url, expectedHost: 'a', identity: async () => identity });
    await expect(client.facts()).rejects.toMatchObject({ code: expect.stringMatching(/^agent-/) });
    identity = controller;
    expect((await client.facts()).host).toBe('a');
    await client.close();
  });

  it('of an agent that another fleet signed are not trusted', async () => {
    const { certificate } = await createFleetAuthority(systemClock);
    const client = connectAgent({ url: host.agent.url, expectedHost: 'a', identity: async () => ({ ...controller, ca: certificate }) });
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
