import type { ClusterSpec } from '../../../src/spec/cluster-spec.ts';
import { loadSpecs } from '../../../src/spec/load.ts';
import { addressOf } from './world.ts';

/** A spec in short. Everything that is not said here is as in the documents' first example. */
export interface ShortSpec {
  readonly members: number;
  /** `a/z1 b c!`: hosts with their zone after the slash; `!` marks a cordoned one. */
  readonly hosts: string;
  readonly version?: string | undefined;
  /** The id, or `{id, backup, discardData}`; left out: no bootstrap is declared. */
  readonly bootstrap?:
    | string
    | { readonly id: string; readonly backup?: string | undefined; readonly discardData?: string | undefined }
    | undefined;
  readonly etcd?: Readonly<Record<string, string | number | boolean>> | undefined;
  readonly authority?: string | undefined;
  readonly keyType?: string | undefined;
  readonly allowDowngrade?: boolean | undefined;
  readonly acceptRelease?: string | undefined;
  readonly wipedDisk?: 'automatic' | 'manual' | undefined;
  readonly suspend?: boolean | undefined;
  /** Of every host. */
  readonly peerPort?: number | undefined;
  readonly clientPort?: number | undefined;
}

/** The spec as the controller gets it: the document is written out, checked and read like any other. */
export function modelSpec(short: ShortSpec): ClusterSpec {
  const authority = short.authority ?? 'main-1';
  const bootstrap = typeof short.bootstrap === 'string' ? { id: short.bootstrap } : short.bootstrap;
  const document = {
    apiVersion: 'quorate.dev/v1',
    kind: 'EtcdCluster',
    metadata: { name: 'orders' },
    spec: {
      version: short.version ?? '3.5.33',
      members: short.members,
      hosts: hostsOf(short.hosts),
      ports: {
        ...(short.peerPort === undefined ? {} : { peer: short.peerPort }),
        ...(short.clientPort === undefined ? {} : { client: short.clientPort }),
      },
      ...(bootstrap === undefined ? {} : { bootstrap: wordsOf(bootstrap) }),
      etcd: short.etcd ?? {},
      tls: {
        authorities: { [authority]: { managed: { validity: '5y' } } },
        peer: { trust: [authority], issue: authority },
        client: { trust: [authority], issue: authority },
        leaf: { validity: '90d', keyType: short.keyType ?? 'ecdsa-p256' },
      },
      backup: { store: 'file:///var/backups/etcd' },
      upgrade: {
        allowDowngrade: short.allowDowngrade ?? false,
        ...(short.acceptRelease === undefined ? {} : { acceptRelease: short.acceptRelease }),
      },
      replace: { wipedDisk: short.wipedDisk ?? 'automatic' },
      suspend: short.suspend ?? false,
    },
  };
  const { specs, diagnostics } = loadSpecs([{ path: 'orders.yaml', content: JSON.stringify(document) }]);
  const [loaded] = specs;
  if (loaded === undefined) throw new Error(diagnostics.map((found) => `${found.code}: ${found.detail}`).join('\n'));
  return loaded.spec;
}

function hostsOf(text: string): readonly object[] {
  return text.split(' ').map((word) => {
    const [place = '', zone] = word.replace('!', '').split('/');
    return {
      name: place,
      agent: `https://${addressOf(place)}:7001`,
      address: addressOf(place),
      ...(zone === undefined ? {} : { zone }),
      cordon: word.endsWith('!'),
    };
  });
}

function wordsOf({
  id,
  backup,
  discardData,
}: {
  id: string;
  backup?: string | undefined;
  discardData?: string | undefined;
}) {
  return {
    id,
    from: backup === undefined ? 'empty' : { backup },
    ...(discardData === undefined ? {} : { discardData }),
  };
}
