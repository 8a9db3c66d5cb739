/** A spec without a finding; the tests below change one place of it at a time. */
export const goodSpec = `apiVersion: quorate.dev/v1
kind: EtcdCluster
metadata: { name: orders }
spec:
  version: 3.5.33
  members: 3
  hosts:
    - { name: a, agent: "https://10.0.0.11:7001", address: 10.0.0.11, zone: z1 }
    - { name: b, agent: "https://10.0.0.12:7001", address: 10.0.0.12, zone: z2 }
    - { name: c, agent: "https://10.0.0.13:7001", address: 10.0.0.13, zone: z3 }
  bootstrap: { id: first, from: empty }
  etcd: { heartbeat-interval: 100, quota-backend-bytes: 8GiB }
  tls:
    authorities:
      peer-1: { managed: { validity: 5y } }
      client-1: { managed: {} }
    peer: { trust: [peer-1], issue: peer-1 }
    client: { trust: [client-1], issue: client-1 }
    leaf: { validity: 30d }
  backup:
    store: file:///var/backups/etcd
`;

/** The good spec with one piece of text exchanged; fails when the piece is not there exactly once. */
export function changed(from: string, to: string, text = goodSpec): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${JSON.stringify(from)} stands ${parts.length - 1} times in the spec`);
  return parts.join(to);
}
