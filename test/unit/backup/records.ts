import type { ClusterRecord } from '../../../src/backup/store.ts';

export const emptyRecord: ClusterRecord = {
  formatVersion: '1.0',
  cluster: 'orders',
  clusterId: null,
  bootstrapIds: [],
  versions: [],
  members: 0,
  hosts: [],
  operation: null,
  lastRevision: 0,
};

export const fullRecord: ClusterRecord = {
  ...emptyRecord,
  clusterId: 'cdf818194e3a8c32',
  bootstrapIds: ['first'],
  versions: ['3.5.33'],
  members: 3,
  hosts: [{ name: 'a', agent: 'https://10.0.0.11:7001', address: '10.0.0.11' }],
  operation: {
    type: 'bootstrap',
    bootstrapId: 'first',
    token: 'orders-first',
    initialCluster: 'a=https://10.0.0.11:2380',
    hosts: ['a'],
    discardData: null,
    commit: 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334',
    startedAtMs: 1_795_219_460_000,
  },
  lastRevision: 4_000_000_000,
};
