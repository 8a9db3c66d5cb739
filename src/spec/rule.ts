import type { EtcdCluster } from './etcd-cluster.generated.ts';
import type { Finding } from './finding.ts';

/** A rule that the schema cannot express. */
export interface Rule {
  /** JSON Pointers to what the rule looks at. It is skipped while the shape of any of that is wrong. */
  readonly reads: readonly string[];
  check(cluster: EtcdCluster): readonly Finding[];
}
