import { QuorateError } from '../../../src/base/errors.ts';
import type { EtcdApi, EtcdMember } from '../../../src/etcd/api.ts';
import { databaseOf, snapshotOf, streamOf } from '../backup/streams.ts';

/** A cluster of three, as a client sees it; its fields may be changed at any time. */
export interface PaperEtcd extends EtcdApi {
  readonly state: {
    clusterId: string;
    revision: number;
    keyCount: number;
    /** Sizes of the databases; multiples of 512. */
    dbSizeBytes: number;
    /** Hashes end when this does. */
    hashing: Promise<void>;
    /** What hashing fails with, once for each; the first comes first. */
    hashFaults: Error[];
    /** URLs that do not answer. */
    away: string[];
    /** Every call but `close`, with the URL that it went to. */
    readonly calls: string[];
    /** Chunks of snapshots that were handed out. */
    chunks: number;
    /** Snapshots that were ended before their end. */
    cutOff: number;
  };
}

export const urls = ['a', 'b', 'c'].map((name) => `https://${name}:2379`);
export const members: readonly EtcdMember[] = ['a', 'b', 'c'].map((name) => ({
  id: `${name}${name}`,
  name,
  peerUrls: [`https://${name}:2380`],
  clientUrls: [`https://${name}:2379`],
  isLearner: false,
}));

/** `a` leads. */
export function paperEtcd(): PaperEtcd {
  const state: PaperEtcd['state'] = {
    clusterId: 'cdf818194e3a8c32',
    revision: 42,
    keyCount: 7,
    dbSizeBytes: 256 * 1024,
    hashing: Promise.resolve(),
    hashFaults: [],
    away: [],
    calls: [],
    chunks: 0,
    cutOff: 0,
  };
  const call = (name: string, url: string): void => {
    state.calls.push(`${name} ${url}`);
    if (state.away.includes(url)) throw failure('etcd-unreachable', `${url}: connection refused`);
  };
  const refused = (): never => {
    throw new Error('a backup changes nothing');
  };
  return {
    state,
    memberList: async () => {
      if (state.away.length > 1) throw failure('etcd-timeout', 'no quorum');
      return { clusterId: state.clusterId, members };
    },
    status: async (url) => {
      call('status', url);
      return {
        clusterId: state.clusterId,
        memberId: members.find(({ clientUrls }) => clientUrls.includes(url))?.id ?? '',
        version: '3.5.33',
        dbSizeBytes: state.dbSizeBytes,
        dbSizeInUseBytes: state.dbSizeBytes,
        leaderId: 'aa',
        raftTerm: 2,
        raftIndex: 9,
        raftAppliedIndex: 9,
        revision: state.revision,
        isLearner: false,
        errors: [],
      };
    },
    alarms: async () => [],
    keyCount: async (url, revision) => {
      call(`keyCount@${revision}`, url);
      return state.keyCount;
    },
    hashKv: async (url, revision) => {
      call(`hashKv@${revision}`, url);
      await state.hashing;
      const fault = state.hashFaults.shift();
      if (fault !== undefined) throw fault;
      return { hash: 4_000_000_000, revision, compactRevision: -1 };
    },
    snapshot: async function* (url, signal) {
      call('snapshot', url);
      let isWhole = false;
      try {
        for await (const chunk of streamOf(snapshotOf(databaseOf(state.dbSizeBytes)))) {
          signal?.throwIfAborted();
          state.chunks++;
          yield chunk;
        }
        isWhole = true;
      } finally {
        if (!isWhole) state.cutOff++;
      }
    },
    memberAddLearner: refused,
    memberPromote: refused,
    memberRemove: refused,
    moveLeader: refused,
    close: () => undefined,
  };
}

export function failure(code: string, summary: string): QuorateError {
  return new QuorateError({ code, kind: 'transient', operation: 'ask etcd', summary });
}
