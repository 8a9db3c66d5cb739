import { Buffer } from 'node:buffer';
import { AuthClient, type IKeyValue, type IRangeRequest, type ITxnRequest, KVClient, LeaseClient } from 'etcd3';
import { type EtcdClientOptions, openConnections } from '../client.ts';
import { etcdError } from '../client-errors.ts';
import type { Accounts, Condition, KeyRecord, Keyspace, Put, RangeQuery } from './keyspace.ts';

/** etcd 3.4 gathers all keys in order to count them, and one answer may be 4 MiB over a slow line. */
const defaultTimeoutMs = 15_000;

/** One zero byte: as a key the smallest there is, as an end that there is none. */
export const openEnd = Buffer.from([0]);

/** The keys of a cluster, over the same connections and with the same errors as `connectEtcd`. */
export function connectKeyspace(options: EtcdClientOptions): Keyspace {
  const connections = openConnections({ timeoutMs: defaultTimeoutMs, ...options });
  return {
    head: () =>
      connections.read('count the keys', async (call) => {
        const answer = await new KVClient(call).range({ key: openEnd, range_end: openEnd, count_only: true });
        return {
          clusterId: BigInt(answer.header.cluster_id).toString(16),
          revision: Number(answer.header.revision),
          keyCount: Number(answer.count),
        };
      }),
    range: (query) =>
      connections.read('read keys', async (call) => {
        const { kvs, more } = await new KVClient(call).range(toRangeRequest(query));
        return { records: kvs.map(toRecord), more };
      }),
    write: ({ conditions, puts }) =>
      connections.change('write keys', async (call) => {
        const request: ITxnRequest = {
          compare: conditions.map(toCompare),
          success: puts.map((put) => ({ request_put: toPutRequest(put) })),
        };
        const { succeeded, header } = await new KVClient(call).txn(request);
        return { conditionsHeld: succeeded, revision: Number(header.revision) };
      }),
    leases: () =>
      connections.read('list leases', async (call) => {
        // etcd3 has no method for this one; its protocol file has.
        const answer = await call.exec<{ leases: { ID: string }[] }>('Lease', 'leaseLeases', {});
        return answer.leases.map(({ ID }) => ID);
      }),
    remainingSeconds: (lease) =>
      connections.read(`ask for the rest of lease ${lease}`, async (call) => {
        const seconds = Number((await new LeaseClient(call).leaseTimeToLive({ ID: lease, keys: false })).TTL);
        return seconds > 0 ? seconds : undefined;
      }),
    grant: (lease, seconds) =>
      connections.change(`grant lease ${lease}`, async (call) => {
        await new LeaseClient(call).leaseGrant({ ID: lease, TTL: seconds });
      }),
    accounts: () => connections.read('list users and roles', accountsOf),
    close: () => connections.close(),
  };
}

function toRangeRequest({ start, end, limit, revision, keysOnly, created, modified }: RangeQuery): IRangeRequest {
  return {
    key: start,
    range_end: end,
    limit,
    revision,
    keys_only: keysOnly === true,
    ...(created === undefined ? {} : { min_create_revision: created.first, max_create_revision: created.last }),
    ...(modified === undefined ? {} : { min_mod_revision: modified.first, max_mod_revision: modified.last }),
  };
}

function toRecord(wire: IKeyValue): KeyRecord {
  return {
    key: wire.key,
    value: wire.value,
    lease: wire.lease,
    createRevision: Number(wire.create_revision),
    modRevision: Number(wire.mod_revision),
    version: Number(wire.version),
  };
}

function toPutRequest({
  key,
  value,
  lease,
}: Put): NonNullable<NonNullable<ITxnRequest['success']>[number]['request_put']> {
  return value === undefined ? { key, ignore_value: true, ignore_lease: true } : { key, value, lease };
}

function toCompare({ key, version, isAtLeast }: Condition): NonNullable<ITxnRequest['compare']>[number] {
  return isAtLeast
    ? { key, target: 'Version', result: 'Greater', version: version - 1 }
    : { key, target: 'Version', result: 'Equal', version };
}

/** Everybody may list users and roles while authentication is off; root alone when it is on. */
async function accountsOf(call: ConstructorParameters<typeof AuthClient>[0]): Promise<Accounts> {
  const auth = new AuthClient(call);
  try {
    const { users } = await auth.userList();
    const { roles } = await auth.roleList();
    return { users, roles, areHidden: false };
  } catch (error) {
    if (etcdError(error, 'list users', '').code !== 'permission-denied') throw error;
    return { users: [], roles: [], areHidden: true };
  }
}
