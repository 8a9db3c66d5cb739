import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { specOf } from './fleet.ts';

/** A cluster of one member that may hold twice `sizeBytes`; its ports are chosen when it is prepared. */
export function singleMember(version: string, sizeBytes: number): ClusterSpec {
  return specOf(`apiVersion: quorate.dev/v1
kind: EtcdCluster
metadata: { name: large }
spec:
  version: ${version}
  members: 1
  hosts:
    - { name: a, agent: "https://127.0.0.1:7001", address: 127.0.0.1 }
  ports: { client: 2379, peer: 2380, metrics: 2381 }
  bootstrap: { id: first, from: empty }
  etcd: { quota-backend-bytes: ${Math.ceil((2 * sizeBytes) / 1024 ** 3)}GiB }
  tls:
    authorities:
      peer-1: { managed: { validity: 1y } }
      client-1: { managed: { validity: 1y } }
    peer: { trust: [peer-1], issue: peer-1 }
    client: { trust: [client-1], issue: client-1 }
    leaf: { validity: 90d, keyType: ecdsa-p256 }
  backup: { store: "file:///var/backups/etcd" }
`);
}
