import { describe, expect, test } from 'vitest';
import { changed, goodSpec } from './good-spec.ts';
import { brief, load } from './loading.ts';

test('a good spec becomes a typed one with every default filled in', () => {
  const { specs, diagnostics, broken } = load(goodSpec);
  expect(diagnostics).toEqual([]);
  expect(broken).toEqual([]);
  expect(specs).toHaveLength(1);
  expect(specs[0]?.path).toBe('a.yaml');
  const ports = { client: 2379, peer: 2380, metrics: 2381, quarantine: 7379 };
  const host = (name: string, last: number, zone: string) => ({
    name,
    agent: `https://10.0.0.${last}:7001`,
    address: `10.0.0.${last}`,
    zone,
    cordon: false,
    ports,
  });
  const authority = { kind: 'managed', validityMs: 5 * 365 * 86_400_000 };
  expect(specs[0]?.spec).toStrictEqual({
    name: 'orders',
    version: '3.5.33',
    members: 3,
    hosts: [host('a', 11, 'z1'), host('b', 12, 'z2'), host('c', 13, 'z3')],
    bootstrap: { id: 'first', from: 'empty' },
    etcd: { 'heartbeat-interval': '100', 'quota-backend-bytes': '8589934592' },
    tls: {
      authorities: { 'peer-1': authority, 'client-1': authority },
      peer: { trust: ['peer-1'], issue: 'peer-1' },
      client: { trust: ['client-1'], issue: 'client-1' },
      leaf: { validityMs: 30 * 86_400_000, keyType: 'ecdsa-p256' },
    },
    backup: { store: 'file:///var/backups/etcd', drill: 'never' },
    upgrade: { strategy: 'rolling', allowDowngrade: false },
    replace: { wipedDisk: 'automatic' },
    suspend: false,
  });
});

test('a host overrides some of the ports, and inherits the others', () => {
  const text = changed('zone: z2 }', 'zone: z2, ports: { client: 12379 } }').replace(
    '  tls:\n',
    '  ports: { peer: 12380 }\n  tls:\n',
  );
  const hosts = load(text).specs[0]?.spec.hosts;
  expect(hosts?.map((host) => host.ports)).toEqual([
    { client: 2379, peer: 12380, metrics: 2381, quarantine: 7379 },
    { client: 12379, peer: 12380, metrics: 2381, quarantine: 17_379 },
    { client: 2379, peer: 12380, metrics: 2381, quarantine: 7379 },
  ]);
});

test('the quarantine port is the client port and 5000, or less 5000 where there is no such port, unless it is written', () => {
  const quarantines = (ports: string, own = ''): readonly (number | undefined)[] | undefined =>
    load(changed('zone: z2 }', `zone: z2${own} }`).replace('  tls:\n', `  ports: ${ports}\n  tls:\n`))
      .specs[0]?.spec.hosts.slice(0, 2)
      .map((host) => host.ports.quarantine);
  expect(quarantines('{}')).toEqual([7379, 7379]);
  expect(quarantines('{ client: 60535 }')).toEqual([65_535, 65_535]);
  expect(quarantines('{ client: 60536 }')).toEqual([55_536, 55_536]);
  expect(quarantines('{ quarantine: 4000 }')).toEqual([4000, 4000]);
  expect(quarantines('{ quarantine: 4000 }', ', ports: { client: 9000 }')).toEqual([4000, 4000]);
  expect(quarantines('{ client: 3379 }', ', ports: { quarantine: 4001 }')).toEqual([8379, 4001]);
});

test('what the words, the schedule, the drill and the number of backups to keep say comes through', () => {
  const text = changed('from: empty', 'from: { backup: latest }, discardData: c0c0').replace(
    '    store',
    '    every: 15m\n    keep: { last: 3 }\n    drill: daily\n    store',
  );
  expect(load(text).specs[0]?.spec).toMatchObject({
    bootstrap: { id: 'first', from: { backup: 'latest' }, discardData: 'c0c0' },
    backup: {
      store: 'file:///var/backups/etcd',
      every: { type: 'interval', everyMs: 900_000 },
      keep: { last: 3, hourly: 48, daily: 14, weekly: 8 },
      drill: 'daily',
    },
  });
});

/** One change each: what is exchanged, by what, the findings, and a part of the first one's detail. */
const refusals: readonly (readonly [from: string, to: string, findings: readonly string[], detail: string])[] = [
  // The shape.
  ['quorate.dev/v1', 'quorate.dev/v2', ['not-allowed@1:13'], 'it must be "quorate.dev/v1"'],
  ['  members: 3', '  memebers: 3', ['unknown-key@6:3'], 'did you mean "members"?'],
  ['  members: 3', '  xyz: 3\n  members: 3', ['unknown-key@6:3'], 'allowed: version, members, hosts'],
  ['  members: 3\n', '', ['missing-key@4:1'], 'needs the key "members"'],
  ['address: 10.0.0.12', 'adress: 10.0.0.12', ['unknown-key@9:51'], 'did you mean "address"?'],
  [
    'members: 3',
    'members: 4',
    ['even-member-count@6:12'],
    'a quorum is 3, so the cluster survives the loss of 1, no more than with 3',
  ],
  ['members: 3', 'members: 9', ['member-count@6:12'], '1, 3, 5 or 7'],
  ['members: 3', 'members: three', ['not-allowed@6:12'], 'allowed: 1, 3, 5, 7'],
  ['members: 3', 'members:', ['not-allowed@6:3'], 'Found nothing'],
  ['version: 3.5.33', 'version: 3.5', ['wrong-type@5:12'], 'YAML reads it as a number'],
  ['version: 3.5.33', 'version: v3.5.33', ['wrong-form@5:12'], 'it must look like 3.5.33'],
  ['name: orders', 'name: Orders', ['wrong-form@3:19'], 'lower-case letters'],
  ['zone: z2 }', 'zone: z2, ports: { peer: 70010 } }', ['out-of-range@9:96'], 'the most is 65535'],
  ['from: empty', 'from: emtpy', ['not-allowed@11:33'], 'allowed: "empty", or a mapping with the key backup'],
  ['from: empty', 'from: { bakup: latest }', ['unknown-key@11:35'], 'did you mean "backup"?'],
  ['client-1: { managed: {} }', 'client-1: {}', ['one-of@16:7'], 'exactly one of: managed, certificate'],
  ['client-1: { managed: {} }', 'client-1: { managed: {}, certificate: x }', ['one-of@16:7'], 'more than one'],
  ['trust: [peer-1]', 'trust: [peer-1, peer-1]', ['duplicate-item@17:29'], 'again here'],
  ['heartbeat-interval: 100', '--heartbeat-interval: 100', ['wrong-key-name@12:11'], 'without the leading dashes'],
  ['heartbeat-interval: 100', 'heartbeat-interval: [1]', ['wrong-type@12:31'], 'Found a list'],
  ['validity: 30d', 'validity: 30 days', ['wrong-form@19:23'], 'it must look like 15m'],
  ['validity: 30d', 'validity: 30m', ['out-of-range@19:23'], 'allowed: 1h to 3y'],
  ['validity: 30d', 'validity: 4y', ['out-of-range@19:23'], 'allowed: 1h to 3y'],
  ['validity: 5y', 'validity: 23h', ['out-of-range@15:38'], 'allowed: 1d to 20y'],
  ['validity: 5y', 'validity: 21y', ['out-of-range@15:38'], 'allowed: 1d to 20y'],
  // Hosts.
  ['members: 3', 'members: 5', ['too-few-hosts@6:12'], 'Found 5 members and 3 hosts'],
  ['zone: z3 }', 'zone: z3, cordon: true }', ['too-few-uncordoned-hosts@6:12'], 'of which 2 may run one; 1 cordoned'],
  ['name: b', 'name: a', ['duplicate-host@9:15'], 'spec.hosts[0]'],
  ['10.0.0.12:7001', '10.0.0.11:7001', ['duplicate-agent@9:25'], 'one member of a cluster'],
  ['"https://10.0.0.12:7001"', '"http://10.0.0.12:7001"', ['wrong-form@9:25'], 'must look like https://'],
  ['"https://10.0.0.12:7001"', '"https://10.0.0.12"', ['invalid-agent-url@9:25'], 'https://HOST:PORT'],
  ['"https://10.0.0.12:7001"', '"https://10.0.0.12:70010"', ['invalid-agent-url@9:25'], '70010 is not a port'],
  ['"https://10.0.0.12:7001"', '"https://10.0.0.12:7001?x=1"', ['invalid-agent-url@9:25'], 'a host and a port alone'],
  ['address: 10.0.0.12', 'address: 10.0.0.300', ['invalid-address@9:60'], 'not a valid IP address'],
  ['address: 10.0.0.12', 'address: 0.0.0.0', ['invalid-address@9:60'], 'every address of a host'],
  ['address: 10.0.0.12', 'address: 224.0.0.1', ['invalid-address@9:60'], 'not the address of one host'],
  ['address: 10.0.0.12', 'address: -a.example', ['invalid-address@9:60'], 'not a valid DNS name'],
  // Ports.
  [
    'address: 10.0.0.12',
    'address: 10.0.0.11',
    ['port-conflict@9:7'],
    'the client port of a of orders already (a.yaml:8:7)',
  ],
  ['zone: z2 }', 'zone: z2, ports: { peer: 2379 } }', ['port-conflict@9:96'], 'Port 2379 on 10.0.0.12'],
  ['  bootstrap', '  ports: { peer: 2379 }\n  bootstrap', ['port-conflict@11:18'], 'Port 2379'],
  ['zone: z2 }', 'zone: z2, ports: { peer: 7001 } }', ['port-conflict@9:96'], 'the port of its agent'],
  [
    'zone: z2 }',
    'zone: z2, ports: { quarantine: 2379 } }',
    ['port-conflict@9:102'],
    'the client port of b of orders already',
  ],
  [
    'zone: z2 }',
    'zone: z2, ports: { peer: 7379 } }',
    ['port-conflict@9:81'],
    'Port 7379 on 10.0.0.12 would be the quarantine port of b of orders',
  ],
  ['zone: z2 }', 'zone: z2, ports: { client: 2001 } }', ['port-conflict@9:81'], 'is the port of its agent'],
  [
    '  bootstrap',
    '  ports: { quarantine: 2381 }\n  bootstrap',
    ['port-conflict@11:24'],
    'the metrics port of a of orders already',
  ],
  // The release and its flags.
  ['version: 3.5.33', 'version: 3.3.27', ['unsupported-version@5:12'], 'cannot add a member as a learner'],
  ['version: 3.5.33', 'version: 3.8.0', ['unsupported-version@5:12'], '3.4 to 3.7'],
  ['heartbeat-interval: 100', 'heartbeat-intervall: 100', ['unknown-flag@12:11'], 'did you mean heartbeat-interval?'],
  ['heartbeat-interval: 100', 'data-dir: /x', ['owned-flag@12:11'], 'belongs to Quorate'],
  ['heartbeat-interval: 100', 'heartbeat-interval: x', ['invalid-value@12:31'], 'not a whole number'],
  ['8GiB', '99999999TiB', ['invalid-value@12:57'], '9007199254740991'],
  // Authorities.
  ['issue: peer-1', 'issue: peer-2', ['unknown-authority@17:37'], 'did you mean "peer-1"?'],
  ['trust: [peer-1]', 'trust: [peer-2]', ['unknown-authority@17:21'], 'did you mean "peer-1"?'],
  ['validity: 5y', 'validity: 20d', ['leaf-outlives-authority@19:23'], '30d for leaves and 20d for the authority'],
  [
    '      client-1: { m',
    '      spare: { managed: {} }\n      client-1: { m',
    ['warning unused-authority@16:7'],
    '"spare"',
  ],
  // What this release does not act on.
  ['  backup:', '  retire: 8e9e05c52164694d\n  backup:', ['not-supported-yet@20:3'], 'cannot be removed'],
  ['  backup:', '  windows: [sat]\n  backup:', ['not-supported-yet@20:3'], 'suspend: true'],
  ['  backup:', '  rotation: emergency\n  backup:', ['not-supported-yet@20:13'], 'emergency'],
  ['  backup:', '  replace: { failedAfter: 1h }\n  backup:', ['not-supported-yet@20:27'], 'only never is allowed'],
  ['  backup:', '  upgrade: { strategy: restore }\n  backup:', ['not-supported-yet@20:24'], 'only rolling'],
  ['trust: [peer-1]', 'trust: [peer-1, client-1]', ['not-supported-yet@17:20'], 'trust: [peer-1].'],
  ['issue: client-1', 'issue: peer-1', ['not-supported-yet@18:22'], 'trust: [peer-1].'],
  ['issue: client-1 }', 'issue: client-1, clientsTrust: client-1 }', ['not-supported-yet@18:51'], 'Take the key out'],
  ['client-1: { managed: {} }', 'client-1: { certificate: ca.pem }', ['not-supported-yet@16:19'], 'only managed'],
  [
    'client-1: { managed: {} }',
    'client-1: { managed: {}, key: { ageFile: x } }',
    ['not-supported-yet@16:32'],
    'only managed',
  ],
  // Backups.
  ['file:///var/backups/etcd', 'file:///var/../etc', ['invalid-store@21:12'], '"." or ".."'],
  ['file:///var/backups/etcd', 'file:///var/b?x=1', ['invalid-store@21:12'], 'takes no parameters'],
  ['file:///var/backups/etcd', 'file:////', ['invalid-store@21:12'], 'names no folder'],
  ['file:///var/backups/etcd', 's3://key:secret@backups/etcd', ['invalid-store@21:12'], 'never from Git'],
  ['    store', '    every: 59s\n    store', ['invalid-schedule@21:12'], 'from 1m to 1y'],
  ['    store', '    every: "99 * * * *"\n    store', ['invalid-schedule@21:12'], 'five fields'],
  ['    store', '    every: 15\n    store', ['wrong-type@21:12'], '15'],
  ['    store', '    drill: hourly\n    store', ['not-allowed@21:12'], 'daily'],
  ['    store', '    keep: { last: 0 }\n    store', ['out-of-range@21:19'], '1'],
];

describe('one change', () => {
  test.each(refusals)('%j → %j', (from, to, findings, detail) => {
    const { specs, diagnostics, broken } = load(changed(from, to));
    expect(brief(diagnostics)).toEqual(findings);
    expect(diagnostics[0]?.detail).toContain(detail);
    expect(diagnostics[0]?.file).toBe('a.yaml');
    const isError = diagnostics.some(({ severity }) => severity === 'error');
    expect(specs).toHaveLength(isError ? 0 : 1);
    expect(broken.map(({ path }) => path)).toEqual(isError ? ['a.yaml'] : []);
  });

  test.each([
    ['drill: never is what happens anyway', '    store', '    drill: never\n    store'],
    ['a bucket', 'file:///var/backups/etcd', 's3://backups/etcd?region=eu-1'],
    ['a schedule', '    store', '    every: "0 */6 * * *"\n    store'],
    ['a restore by word', 'from: empty', 'from: { backup: "2026-11-20T12:00:01Z-000000" }'],
    ['a DNS name is an address', 'address: 10.0.0.12', 'address: etcd-b.example.com'],
    [
      'an IPv6 address',
      '"https://10.0.0.12:7001", address: 10.0.0.12',
      '"https://[fd00::12]:7001", address: "fd00::12"',
    ],
    [
      'a spare that is cordoned',
      'zone: z3 }',
      'zone: z3 }\n    - { name: d, agent: "https://d:1", address: d, cordon: true }',
    ],
    [
      'an anchor and its alias',
      'agent: "https://10.0.0.11:7001", address: 10.0.0.11, zone: z1 }',
      'agent: "https://10.0.0.11:7001", address: 10.0.0.11, zone: &z z1 }\n    - { name: d, agent: "https://d:1", address: d, zone: *z }',
    ],
  ])('%s is fine', (_name, from, to) => {
    expect(load(changed(from, to))).toMatchObject({ diagnostics: [], broken: [], specs: [{ path: 'a.yaml' }] });
  });
});
