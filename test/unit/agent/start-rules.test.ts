import { describe, expect, it } from 'vitest';
import { checkFlags, etcdArguments } from '../../../src/agent/command-line.ts';
import { memberPaths } from '../../../src/agent/paths.ts';
import { decideJoin } from '../../../src/agent/start-rules.ts';
import type { JoinMode } from '../../../src/agent/wire.ts';

const empty = { isPresent: false, isInitialised: false, identity: undefined };
const foreign = { isPresent: true, isInitialised: false, identity: undefined };
const present = { isPresent: true, isInitialised: true, identity: { clusterId: 'c1', memberId: 'm1' } };
const latched = { clusterId: 'c1', memberId: 'm1', bootstrapId: 'first', atMs: 1 };
const join: JoinMode = { state: 'new', initialCluster: 'a=https://10.0.0.1:2380', token: 't', bootstrapId: 'first' };
const existing: JoinMode = { ...join, state: 'existing' };

describe('how a member may be started', () => {
  it.each([
    ['on its data, whatever else is asked for', present, latched, join, undefined],
    ['on its data without a join', present, null, undefined, undefined],
    ['as a new cluster on a host without a past', empty, null, join, join],
    [
      'as a new cluster when the latched one is given up by its id',
      empty,
      latched,
      { ...join, discardData: 'c1' },
      { ...join, discardData: 'c1' },
    ],
    ['into an existing cluster', empty, null, existing, existing],
    ['into an existing cluster after its disk was wiped', empty, latched, existing, existing],
  ])('%s', (_how, data, past, asked, given) => {
    expect(decideJoin({ cluster: 'orders', data, latched: past, request: { join: asked } })).toEqual(given);
  });

  it.each([
    ['no-data', empty, null, undefined],
    ['no-data', empty, latched, undefined],
    ['identity-latched', empty, latched, join],
    ['identity-latched', empty, latched, { ...join, bootstrapId: 'second' }],
    ['identity-latched', empty, latched, { ...join, discardData: 'c2' }],
    ['data-unreadable', foreign, null, join],
    ['data-unreadable', foreign, latched, { ...join, discardData: 'c1' }],
    ['data-unreadable', foreign, null, undefined],
  ])('or not: %s', (code, data, past, asked) => {
    expect(() => decideJoin({ cluster: 'orders', data, latched: past, request: { join: asked } })).toThrow(
      expect.objectContaining({ code, kind: 'refused' }),
    );
  });
});

describe('the command line of etcd', () => {
  const paths = memberPaths('/var/lib/q', 'orders');
  const request = {
    member: 'a',
    version: '3.5.16',
    flags: { 'heartbeat-interval': '100', 'client-cert-auth': 'true' },
    electionTimeoutMs: 1000,
  };

  it('holds what the controller sent and what the agent owns', () => {
    expect(etcdArguments(paths, request, undefined)).toEqual([
      '--heartbeat-interval=100',
      '--client-cert-auth=true',
      '--name=a',
      '--data-dir=/var/lib/q/clusters/orders/data',
      '--cert-file=/var/lib/q/clusters/orders/tls/client.pem',
      '--key-file=/var/lib/q/clusters/orders/tls/client.pem',
      '--trusted-ca-file=/var/lib/q/clusters/orders/tls/client-ca.pem',
      '--peer-cert-file=/var/lib/q/clusters/orders/tls/peer.pem',
      '--peer-key-file=/var/lib/q/clusters/orders/tls/peer.pem',
      '--peer-trusted-ca-file=/var/lib/q/clusters/orders/tls/peer-ca.pem',
      '--log-outputs=stderr',
      '--peer-client-cert-auth=true',
    ]);
  });

  it('says how to join only when there is no data, and names the logger where it is not the default', () => {
    expect(etcdArguments(paths, { ...request, version: '3.4.23' }, join)).toEqual(
      expect.arrayContaining([
        '--logger=zap',
        '--initial-cluster=a=https://10.0.0.1:2380',
        '--initial-cluster-token=t',
        '--initial-cluster-state=new',
      ]),
    );
  });

  it.each([
    ['data-dir', '/'],
    ['wal-dir', '/'],
    ['initial-cluster-state', 'new'],
    ['force-new-cluster', 'true'],
    ['config-file', '/etc/etcd.yaml'],
    ['client-cert-file', '/x'],
    ['discovery-srv', 'example.com'],
    ['client-cert-auth', 'false'],
    ['peer-client-cert-auth', ''],
    ['peer-auto-tls', 'true'],
    ['logger', 'capnslog'],
    ['-x', '1'],
    ['name=x --data-dir', '1'],
    ['heartbeat-interval', '1\0'],
  ])('never takes --%s=%s', (name, value) => {
    expect(() => checkFlags({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'flag-not-allowed', kind: 'invalid' }),
    );
  });

  it('takes ordinary flags', () => {
    expect(() =>
      checkFlags({ ...request.flags, logger: 'zap', 'experimental-initial-corrupt-check': 'true' }),
    ).not.toThrow();
  });
});
