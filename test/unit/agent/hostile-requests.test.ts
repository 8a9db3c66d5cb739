import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Identity } from '../../../src/agent/identity.ts';
import { closeHost, type Fleet, makeFleet, startHost, type TestHost } from './fleet.ts';
import { type Answer, send } from './raw-request.ts';

const stop = '/v1/clusters/orders/stop';

let fleet: Fleet;
let host: TestHost;
let controller: Identity;

beforeAll(async () => {
  fleet = await makeFleet();
  host = await startHost(fleet, 'a');
  controller = await fleet.identity({ kind: 'controller' });
});

afterAll(async () => {
  await closeHost(host);
  await fleet.remove();
});

function post(path: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  const usual = { 'content-type': 'application/json', 'quorate-host': 'a', 'quorate-epoch': '1', 'quorate-run': 'r' };
  return send(host.agent.url, path, { ...controller, method: 'POST', headers: { ...usual, ...headers } }, body);
}

function codeOf(answer: Answer): unknown {
  return (JSON.parse(answer.body) as { readonly code?: unknown }).code;
}

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
    [
      'a data dir of its own',
      '/v1/clusters/orders/start',
      JSON.stringify({ ...start, flags: { 'data-dir': '/' } }),
      'flag-not-allowed',
    ],
    [
      'a token with a line break',
      '/v1/clusters/orders/start',
      JSON.stringify({ ...start, join: { state: 'new', initialCluster: 'a', token: 'a\nb' } }),
      'invalid-request',
    ],
    [
      'a trust without certificates',
      '/v1/clusters/orders/write-trust',
      '{"domain":"peer","bundle":"-----"}',
      'not-pem',
    ],
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
