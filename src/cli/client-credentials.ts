import { readRecord } from '../backup/record.ts';
import type { ClusterRecord } from '../backup/store.ts';
import { QuorateError } from '../base/errors.ts';
import type { World } from '../controller/world.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { type IssuedCredentials, issueClientCredentials } from '../tls/client-credentials.ts';

/**
 * The record in the store; null when the store holds none. Undefined when it cannot be read: the commands that
 * ask are those that one reaches for in trouble, and they can do without.
 */
export async function recordOf(world: World, spec: ClusterSpec): Promise<ClusterRecord | null | undefined> {
  try {
    const { store } = await world.sight(spec);
    return (await readRecord(store, spec.name))?.record ?? null;
  } catch {
    return undefined;
  }
}

/**
 * A client certificate of a cluster, signed by its client authority. Throws `cluster-not-created` when neither
 * the keystore nor the store has ever heard of the cluster, and what `issueClientCredentials` throws.
 */
export async function clientCredentials(
  world: World,
  spec: ClusterSpec,
  record: ClusterRecord | null | undefined,
  commonName: string,
  validityMs: number,
): Promise<IssuedCredentials> {
  const { keystore, clock } = world;
  try {
    return await issueClientCredentials({
      keystore,
      cluster: spec.name,
      ...spec.tls.client,
      clock,
      commonName,
      validityMs,
    });
  } catch (error) {
    const isNew = error instanceof QuorateError && error.code === 'authority-not-found' && record === null;
    if (!isNew) throw error;
    throw new QuorateError({
      code: 'cluster-not-created',
      kind: 'waiting',
      operation: `make a client certificate of ${spec.name}`,
      summary:
        'no cluster of this name was created yet: its store holds no record of one, and its authorities, which sign certificates, are made when it is created',
      remedy:
        'Start the agents and the controller; `quorate plan` shows what creating it takes, and `quorate status` when it serves.',
      cause: error,
    });
  }
}
