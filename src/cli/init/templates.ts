import { hostUrl } from '../../spec/cluster-spec.ts';
import { type HostLayout, memberCount, standardPorts } from './hosts.ts';

export interface ClusterInput {
  readonly cluster: string;
  readonly version: string;
  readonly hosts: readonly HostLayout[];
  /** `file:///…` of the folder of backups. */
  readonly store: string;
  /** Default: as many as the hosts allow. */
  readonly members?: number | undefined;
  /** Backup that is to be restored; without one, the cluster is created empty. */
  readonly restore?: string | undefined;
}

/** clusters/NAME.yaml. Everything put in has been validated, so that nothing needs to be escaped but by quotes. */
export function clusterYaml({ cluster, version, hosts, store, members, restore }: ClusterInput): string {
  const { client, peer, metrics } = standardPorts;
  return `# yaml-language-server: $schema=../schemas/etcd-cluster.v1.json
#
# The cluster as it should be. Change this file and commit: the controller plans the change, takes a
# backup, and applies it one safe step at a time. \`quorate plan\` shows what a commit would do.
apiVersion: quorate.dev/v1
kind: EtcdCluster
metadata: { name: ${quote(cluster)} }
spec:
  # The etcd release of every member. It is fixed when the cluster is created: this release of Quorate
  # does not change the version of a running cluster, up or down, and refuses a commit that asks for it.
  version: ${version}

  # How many of the hosts run a member: 1, 3, 5 or 7.
  members: ${members ?? memberCount(hosts.length)}

  # The pool of hosts. More hosts than members are spares. zone: spreads members over failure domains;
  # cordon: true moves the member of a host to a spare.
  hosts:
${hosts.map(hostLine).join('\n')}

  # Ports of every member, unless its host says otherwise.
  ports: { client: ${client}, peer: ${peer}, metrics: ${metrics} }

${restore === undefined ? createWord : restoreWord(restore)}

  # Flags of etcd by their own names.
  etcd: { heartbeat-interval: 100, election-timeout: 1000, quota-backend-bytes: 8GiB }

  # Traffic is always mutual TLS. The controller makes these authorities and keeps their keys;
  # the keys of members are made on their hosts and never leave them.
  tls:
    authorities:
      peer-1: { managed: { validity: 5y } }
      client-1: { managed: { validity: 5y } }
    peer: { trust: [peer-1], issue: peer-1 }
    client: { trust: [client-1], issue: client-1 }
    leaf: { validity: 90d, keyType: ecdsa-p256 }

  # Where backups go; one is taken and verified before every change. For real hosts use a place that
  # outlives all of them. Beside that one is taken every quarter of an hour, old ones are deleted, and
  # each day one is restored into a scratch etcd on the controller's host, for proof.
  backup:
    store: ${quote(store)}
    every: 15m
    keep: { last: 24, hourly: 48, daily: 14, weekly: 8 }
    drill: daily

  # true: look and report, change nothing.
  suspend: false
`;
}

const createWord = `  # The word to create the cluster; it works once for this id. Take the line out when the cluster runs:
  # while it stands here, the number of members cannot change.
  bootstrap: { id: first, from: empty }`;

/** A comment: nothing is restored, and nobody's cluster replaced, before a person says so. */
function restoreWord(backup: string): string {
  return `  # Nothing happens before a word says so. To restore the newest backup that was there, take one more if
  # the old cluster still runs, stop it, and put this line in, with the name of the backup that you want:
  # bootstrap: { id: from-etcd-manager, from: { backup: ${backup} } }`;
}

/** controller.yaml. Paths start at its folder. */
export function controllerYaml(): string {
  return `# The controller: quorate controller --config controller.yaml
# Relative paths start at the folder of this file.

# Where the cluster specs are. A folder on this machine is watched; a remote repository is polled.
git: { url: ./repo, ref: main, path: clusters, poll: 30s }

# What the controller keeps: the authorities of the clusters, leases, the last good specs.
# Keep a copy of this folder: without it nobody can sign certificates for the clusters.
state: ./state

# How the controller shows the agents who it is, and whom it trusts.
identity: { ca: pki/ca.crt, cert: pki/controller.crt, key: pki/controller.key }

# The keys of the authorities are encrypted under this passphrase. QUORATE_KEYSTORE_PASSPHRASE in the
# environment takes its place. It protects copies of the state folder, so keep it apart from them.
keystore: { passphraseFile: pki/keystore.passphrase }

# One controller at a time acts, by leases in the state folder.
coordination: { type: local }

# Where etcd comes from for drills, which restore backups on this host: folders first, then checked downloads.
binaries: { dirs: [/opt], sources: [release, debian, go] }
`;
}

/** agents/NAME.yaml. Paths start at its folder. */
export function agentYaml({ name, ip, port }: HostLayout): string {
  const listen = ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
  return `# The agent of host ${name}: quorate agent --config agents/${name}.yaml
# Relative paths start at the folder of this file.

# Name of this host, as in the cluster specs.
name: ${quote(name)}

# Where the controller reaches this agent.
listen: ${quote(listen)}

# Everything the agent keeps: data of etcd, keys, logs.
dataDir: ../hosts/${name}

# How the agent shows who it is, and whom it trusts.
identity: { ca: ../pki/ca.crt, cert: ../pki/agents/${name}.crt, key: ../pki/agents/${name}.key }

# Where etcd comes from: folders first, then checked downloads.
binaries: { dirs: [/opt], sources: [release, debian, go] }

# Members run as detached processes, which outlive the agent.
runtime: process
`;
}

/** A host's line of `spec.hosts`. */
export function hostLine({ name, ip, port, ports }: HostLayout): string {
  const { client, peer, metrics } = ports;
  const own =
    client === standardPorts.client ? '' : `, ports: { client: ${client}, peer: ${peer}, metrics: ${metrics} }`;
  return `    - { name: ${quote(name)}, agent: ${quote(hostUrl(ip, port))}, address: ${quote(ip)}${own} }`;
}

/** Names like `1`, `true` and `no` are text, and so are addresses; JSON's quotes are YAML's too. */
function quote(text: string): string {
  return JSON.stringify(text);
}
