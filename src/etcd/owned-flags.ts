/** Flags that nobody may set, by current name, each with the reason that is shown. */
export function ownedFlagReason(name: string): string | undefined {
  const plain = name.replace(/^experimental-/, '');
  if (plain.startsWith('discovery')) return 'discovery is not used: the members of a cluster come from its spec';
  if (plain === 'proxy' || plain.startsWith('proxy-')) return 'a member is never a proxy';
  for (const [reason, names] of reasons) if (names.includes(plain)) return reason;
  return undefined;
}

const reasons: readonly (readonly [reason: string, names: readonly string[]])[] = [
  ['the name of a member is the name of its host', ['name']],
  ['the agent keeps the data dir, so that it can archive it and tell whose data it holds', ['data-dir', 'wal-dir']],
  [
    'clustering follows from the spec and the live members; a wrong value here splits or loses a cluster',
    ['initial-cluster', 'initial-cluster-state', 'initial-cluster-token', 'strict-reconfig-check', 'max-learners'],
  ],
  [
    'URLs follow from the address and the ports of the host; set those in the spec',
    [
      'listen-client-urls',
      'listen-client-http-urls',
      'listen-peer-urls',
      'listen-metrics-urls',
      'advertise-client-urls',
      'initial-advertise-peer-urls',
    ],
  ],
  [
    'client and peer traffic is always mutual TLS with certificates that Quorate keeps; see spec.tls',
    [
      'auto-tls',
      'peer-auto-tls',
      'self-signed-cert-validity',
      'cert-file',
      'key-file',
      'client-cert-file',
      'client-key-file',
      'client-cert-auth',
      'client-crl-file',
      'client-cert-allowed-hostname',
      'trusted-ca-file',
      'peer-cert-file',
      'peer-key-file',
      'peer-client-cert-file',
      'peer-client-key-file',
      'peer-client-cert-auth',
      'peer-crl-file',
      'peer-trusted-ca-file',
      'peer-cert-allowed-cn',
      'peer-cert-allowed-hostname',
      'peer-skip-client-san-verification',
    ],
  ],
  [
    'the agent writes and rotates the log files',
    ['log-output', 'log-outputs', 'enable-log-rotation', 'log-rotation-config-json'],
  ],
  ['flags come from the spec alone', ['config-file']],
  ['etcd prints its version and ends', ['version']],
  ['it throws away all other members and can lose data; declare bootstrap in the spec instead', ['force-new-cluster']],
  ['without fsync a crash of the host loses acknowledged writes', ['unsafe-no-fsync']],
  ['it lets a second etcd take the same port unnoticed', ['socket-reuse-port']],
  ['the v2 API is not backed up and is gone from etcd 3.6', ['enable-v2', 'enable-v2v3', 'v2-deprecation']],
  [
    'it is set for the moment of a declared downgrade only; see upgrade.allowDowngrade',
    ['next-cluster-version-compatible'],
  ],
];
