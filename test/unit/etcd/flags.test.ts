import { describe, expect, it } from 'vitest';
import {
  checkFlags,
  electionTimeoutMs,
  memberFlags,
  quarantinedFlags,
  releasedFlags,
  runningFlags,
} from '../../../src/etcd/flags.ts';
import type { HostSpec } from '../../../src/spec/cluster-spec.ts';
import { testSpec } from './etcd-fixture.ts';
import { containing } from './matchers.ts';

describe('checkFlags', () => {
  it('accepts what a release knows, by its current name in every release', () => {
    const flags = {
      'heartbeat-interval': '100',
      'election-timeout': '1000',
      'quota-backend-bytes': '8589934592',
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '1h',
      'corrupt-check-time': '12h',
      'watch-progress-notify-interval': '1m30s',
    };
    for (const version of ['3.4.45', '3.5.33', '3.6.14', '3.7.1', '3.8.0'])
      expect(checkFlags(version, flags)).toEqual([]);
  });

  it('takes former names before 3.6 only', () => {
    const flags = { 'experimental-corrupt-check-time': '12h', 'experimental-initial-corrupt-check': 'true' };
    expect(checkFlags('3.5.33', flags)).toEqual([]);
    for (const version of ['3.6.14', '3.7.1']) {
      expect(checkFlags(version, flags)).toMatchObject([
        { flag: 'experimental-corrupt-check-time', code: 'unknown-flag', nearest: 'corrupt-check-time' },
        {
          flag: 'experimental-initial-corrupt-check',
          code: 'unknown-flag',
          nearest: 'feature-gates',
          detail: containing('feature-gates: InitialCorruptCheck=true'),
        },
      ]);
    }
  });

  it('knows flags that came with a patch release', () => {
    const minTls = { 'tls-min-version': 'TLS1.3' };
    expect(checkFlags('3.5.7', minTls)).toMatchObject([{ code: 'unknown-flag', detail: containing('3.5.8') }]);
    expect(checkFlags('3.5.8', minTls)).toEqual([]);
    const sleep = { 'compaction-sleep-interval': '10ms' };
    expect(checkFlags('3.5.15', sleep)).toMatchObject([{ code: 'unknown-flag' }]);
    expect(checkFlags('3.5.16', sleep)).toEqual([]);
    expect(checkFlags('3.4.45', sleep)).toMatchObject([{ code: 'unknown-flag' }]);
  });

  it.each([
    ['data-dir', 'archive'],
    ['initial-cluster-token', 'loses a cluster'],
    ['listen-peer-urls', 'address'],
    ['trusted-ca-file', 'mutual TLS'],
    ['name', 'host'],
    ['force-new-cluster', 'bootstrap'],
    ['unsafe-no-fsync', 'loses acknowledged writes'],
    ['log-outputs', 'log files'],
    ['strict-reconfig-check', 'cluster'],
    ['discovery-endpoints', 'discovery'],
    ['enable-v2', 'v2 API'],
    ['experimental-enable-v2v3', 'v2 API'],
    ['experimental-peer-skip-client-san-verification', 'mutual TLS'],
    ['socket-reuse-port', 'unnoticed'],
  ])('refuses %s with the reason', (flag, reason) => {
    expect(checkFlags('3.5.33', { [flag]: 'true' })).toEqual([
      { flag, code: 'owned-flag', detail: containing(reason) },
    ]);
  });

  it('finds the nearest name, but no owned one and none that is far away', () => {
    expect(checkFlags('3.6.14', { 'hartbeat-intervall': '100' })).toMatchObject([
      { code: 'unknown-flag', nearest: 'heartbeat-interval' },
    ]);
    expect(checkFlags('3.6.14', { 'data-dirr': '/x' })[0]?.nearest).not.toBe('data-dir');
    expect(checkFlags('3.6.14', { 'completely-different': '1' })[0]).not.toHaveProperty('nearest');
    expect(checkFlags('3.3.27', { 'heartbeat-interval': '100' })).toMatchObject([{ code: 'unknown-flag' }]);
  });

  it.each([
    ['heartbeat-interval', '100ms'],
    ['heartbeat-interval', '0'],
    ['election-timeout', '60000'],
    ['quota-backend-bytes', '8GiB'],
    ['quota-backend-bytes', '9223372036854775808'],
    ['pre-vote', 'yes'],
    ['corrupt-check-time', '10'],
    ['corrupt-check-time', '1 h'],
    ['compact-hash-check-time', '0s'],
    ['auto-compaction-mode', 'sometimes'],
    ['log-level', 'loud'],
    ['logger', 'capnslog'],
    ['max-concurrent-streams', '4294967296'],
    ['cors', 'a\nb'],
    ['feature-gates', 'InitialCorruptCheck'],
    ['feature-gates', 'InitialCorruptCheck=maybe'],
    ['feature-gates', 'InitialCorruptChek=true'],
    ['feature-gates', 'LeaseCheckpointPersist=true'],
    ['feature-gates', 'A=true,A=false'],
  ])('refuses %s=%j', (flag, value) => {
    expect(checkFlags('3.6.14', { [flag]: value })).toMatchObject([{ flag, code: 'invalid-value' }]);
  });

  it('refuses an election time-out below five heartbeats, whichever of the two is written', () => {
    const code = 'invalid-value';
    expect(checkFlags('3.6.14', { 'heartbeat-interval': '300' })).toMatchObject([{ flag: 'heartbeat-interval', code }]);
    expect(checkFlags('3.6.14', { 'election-timeout': '400' })).toMatchObject([{ flag: 'election-timeout', code }]);
    expect(checkFlags('3.6.14', { 'heartbeat-interval': '300', 'election-timeout': '1500' })).toEqual([]);
  });

  it('refuses one flag under two names', () => {
    const twice = { 'corrupt-check-time': '1h', 'experimental-corrupt-check-time': '2h' };
    expect(checkFlags('3.5.33', twice)).toMatchObject([
      { flag: 'experimental-corrupt-check-time', code: 'invalid-value' },
    ]);
  });

  it('takes gates before 3.6 where they were flags', () => {
    expect(checkFlags('3.5.33', { 'feature-gates': 'StopGRPCServiceOnDefrag=true' })).toEqual([]);
    expect(checkFlags('3.5.33', { 'feature-gates': 'SetMemberLocalAddr=true' })).toMatchObject([
      { code: 'invalid-value' },
    ]);
    expect(checkFlags('3.6.14', { 'feature-gates': 'FastLeaseKeepAlive=false' })).toMatchObject([
      { code: 'invalid-value' },
    ]);
    expect(checkFlags('3.7.1', { 'feature-gates': 'FastLeaseKeepAlive=false' })).toEqual([]);
  });
});

describe('memberFlags', () => {
  const host = (address: string): HostSpec => ({
    name: 'a',
    agent: 'https://10.0.0.11:7001',
    address,
    cordon: false,
    ports: { client: 2379, peer: 2380, metrics: 2381, quarantine: 7379 },
  });

  it('gives everything that the agent does not, by the names of the release', () => {
    const etcd = { 'heartbeat-interval': '50', 'snapshot-catchup-entries': '5000' };
    const common = {
      'advertise-client-urls': 'https://10.0.0.11:2379',
      'client-cert-auth': 'true',
      'heartbeat-interval': '50',
      'initial-advertise-peer-urls': 'https://10.0.0.11:2380',
      'listen-client-urls': 'https://10.0.0.11:2379,https://127.0.0.1:2379',
      'listen-metrics-urls': 'http://127.0.0.1:2381',
      'listen-peer-urls': 'https://10.0.0.11:2380',
      'peer-client-cert-auth': 'true',
    };
    expect(memberFlags(testSpec('3.6.14', etcd), host('10.0.0.11'))).toEqual({
      ...common,
      'corrupt-check-time': '4h',
      'feature-gates': 'CompactHashCheck=true,InitialCorruptCheck=true',
      'snapshot-catchup-entries': '5000',
    });
    expect(memberFlags(testSpec('3.5.33', etcd), host('10.0.0.11'))).toEqual({
      ...common,
      'experimental-corrupt-check-time': '4h',
      'experimental-initial-corrupt-check': 'true',
      'experimental-compact-hash-check-enabled': 'true',
      'experimental-snapshot-catchup-entries': '5000',
    });
    // Neither compaction hashes nor catch-up entries exist in 3.4.
    expect(memberFlags(testSpec('3.4.45', etcd), host('10.0.0.11'))).toEqual({
      ...common,
      'experimental-corrupt-check-time': '4h',
      'experimental-initial-corrupt-check': 'true',
      logger: 'zap',
    });
  });

  it.each([
    ['10.0.0.11', 'https://10.0.0.11:2379,https://127.0.0.1:2379', 'https://10.0.0.11:2380'],
    ['127.0.0.1', 'https://127.0.0.1:2379', 'https://127.0.0.1:2380'],
    ['127.0.0.5', 'https://127.0.0.5:2379', 'https://127.0.0.5:2380'],
    ['fd00::11', 'https://[fd00::11]:2379,https://127.0.0.1:2379', 'https://[fd00::11]:2380'],
    ['::1', 'https://[::1]:2379', 'https://[::1]:2380'],
    ['etcd-a.example.org', 'https://0.0.0.0:2379', 'https://0.0.0.0:2380'],
    ['localhost', 'https://127.0.0.1:2379', 'https://127.0.0.1:2380'],
  ])('listens at %s', (address, clients, peers) => {
    expect(memberFlags(testSpec('3.6.14'), host(address))).toMatchObject({
      'listen-client-urls': clients,
      'listen-peer-urls': peers,
    });
  });

  it.each(['10.0.0.11', '127.0.0.1', 'fd00::11', 'etcd-a.example.org'])(
    'gives a member in quarantine at %s other client URLs, and nothing else',
    (address) => {
      const spec = testSpec('3.6.14', { 'heartbeat-interval': '50' });
      const open = releasedFlags(spec, host(address));
      const closed = quarantinedFlags(spec, host(address));
      const differing = Object.keys({ ...open, ...closed }).filter((flag) => open[flag] !== closed[flag]);
      expect(differing).toEqual(['advertise-client-urls', 'listen-client-urls']);
      for (const flag of differing) {
        expect(closed[flag]).toBe(open[flag]?.replaceAll(':2379', ':7379'));
        expect(closed[flag]).not.toContain(':2379');
      }
    },
  );

  it.each([
    ['3.4.23', { 'experimental-initial-corrupt-check': ['true', 'false'] }],
    ['3.5.33', { 'experimental-initial-corrupt-check': ['true', 'false'] }],
    [
      '3.6.14',
      {
        'feature-gates': [
          'CompactHashCheck=true,InitialCorruptCheck=true',
          'CompactHashCheck=true,InitialCorruptCheck=false',
        ],
      },
    ],
  ])(
    'leaves the check at the start of %s out where members were just compared, which asks for no restart',
    (version, differing) => {
      const spec = testSpec(version);
      const [usual, released] = [memberFlags(spec, host('10.0.0.11')), releasedFlags(spec, host('10.0.0.11'))];
      const seen = Object.keys({ ...usual, ...released }).flatMap((flag) =>
        usual[flag] === released[flag] ? [] : [[flag, [usual[flag], released[flag]]]],
      );
      expect(Object.fromEntries(seen)).toEqual(differing);
      expect(runningFlags(released)).toEqual(runningFlags(usual));
      expect(runningFlags({ ...usual, 'heartbeat-interval': '50' })).not.toEqual(runningFlags(usual));
    },
  );

  it('lets the spec have its own way with corruption checks, and with nothing that is owned', () => {
    const gates = {
      'feature-gates': 'CompactHashCheck=false,StopGRPCServiceOnDefrag=true',
      'corrupt-check-time': '0s',
    };
    expect(memberFlags(testSpec('3.6.14', gates), host('10.0.0.11'))).toMatchObject({
      'feature-gates': 'CompactHashCheck=false,InitialCorruptCheck=true,StopGRPCServiceOnDefrag=true',
      'corrupt-check-time': '0s',
    });
    expect(memberFlags(testSpec('3.5.33', gates), host('10.0.0.11'))).toMatchObject({
      'experimental-compact-hash-check-enabled': 'false',
      'experimental-stop-grpc-service-on-defrag': 'true',
      'experimental-corrupt-check-time': '0s',
    });
    const owned = { 'data-dir': '/x', 'listen-client-urls': 'http://0.0.0.0:1', 'enable-v2': 'true' };
    expect(memberFlags(testSpec('3.5.33', owned), host('10.0.0.11'))).toEqual(
      memberFlags(testSpec('3.5.33'), host('10.0.0.11')),
    );
  });

  it('never gives 3.6 and later a former name', () => {
    const flags = memberFlags(testSpec('3.6.14', { 'experimental-corrupt-check-time': '1h' }), host('10.0.0.11'));
    expect(Object.keys(flags).filter((flag) => flag.startsWith('experimental-'))).toEqual([]);
  });

  it('tells the election time-out', () => {
    expect(electionTimeoutMs(testSpec('3.6.14'))).toBe(1000);
    expect(electionTimeoutMs(testSpec('3.6.14', { 'election-timeout': '2500' }))).toBe(2500);
  });
});
