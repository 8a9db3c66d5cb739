import { BackupCatalog, type BackupListing } from '../../backup/catalog.ts';
import { type ManagerControl, readManagerControl } from '../../backup/manager-control.ts';
import { openStore } from '../../backup/open-store.ts';
import type { Backup, ObjectStore } from '../../backup/store.ts';
import { type Clock, formatTime } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { QuorateError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { counted } from '../../report/shown.ts';
import { foundVersion } from './found-version.ts';
import { clustersIn } from './store-clusters.ts';

/** What a spec can be written from, and what people should know of it. */
export interface FoundStore {
  readonly version: string;
  readonly members: number;
  readonly newest: Backup;
  /** One line each, for people. */
  readonly found: readonly string[];
  readonly warnings: readonly string[];
}

export interface StoreToRead {
  /** `file:///…` or `s3://…`, without the cluster's name. */
  readonly url: string;
  readonly cluster: string;
  readonly clock: Clock;
  /** Chosen by the person; default what the store says. */
  readonly version?: string | undefined;
}

/**
 * Reads what etcd-manager left in its store of one cluster; changes nothing there. Rejects with `store-url-invalid`,
 * `store-empty`, `manager-control-invalid`, `store-version-unusable`, or an error of the store.
 */
export async function readFoundStore({ url, cluster, clock, version }: StoreToRead): Promise<FoundStore> {
  const store = await openStore(url, cluster, { log: silentLogger, clock });
  const listing = await new BackupCatalog(store).list();
  const control = await readManagerControl(store);
  const [newest] = listing.backups;
  if (newest === undefined) throw await nothingFound(store, url, cluster, listing, clock);
  const chosen = foundVersion(control.spec?.etcdVersion ?? null, newest.etcdVersion, version);
  const stated = control.spec?.memberCount || newest.memberCount;
  const members = membersOf(stated);
  return {
    version: chosen.version,
    members,
    newest,
    found: describe(store, listing, control, newest, clock.now()),
    warnings: [
      ...chosen.warnings,
      ...memberWarnings(stated, members),
      ...warningsOf(listing, control),
      ...(await ownWarnings(store)),
    ],
  };
}

/** What was found, what to beware of, and the words to go on with. */
export function foundText({ found, warnings, newest, members, version }: FoundStore): string {
  const lines = [...found.map((line) => `  ${line}`), ...warnings.map((line) => `warning: ${line}`)];
  return `Found:
${lines.join('\n')}

The spec says ${members} ${members === 1 ? 'member' : 'members'} of etcd ${version}. It creates nothing by itself; these words restore the newest backup:
  bootstrap: { id: from-etcd-manager, from: { backup: ${newest.name} } }

`;
}

/** Quorate runs 1, 3, 5 or 7 members; a number that is even tolerates no more failures than the one below it. */
function membersOf(stated: number): number {
  if (stated < 1) return 3;
  return Math.min(7, stated % 2 === 0 ? stated - 1 : stated);
}

function memberWarnings(stated: number, members: number): readonly string[] {
  if (stated === members) return [];
  const seen =
    stated < 1 ? 'The store does not say how many members the cluster has' : `The cluster has ${stated} members`;
  return [`${seen}; the spec says ${members}. Quorate runs 1, 3, 5 or 7.`];
}

function describe(
  store: ObjectStore,
  { backups }: BackupListing,
  { spec, isCreated }: ManagerControl,
  newest: Backup,
  nowMs: number,
): readonly string[] {
  const versions = [...new Set(backups.map(({ etcdVersion }) => etcdVersion))].join(', ');
  const declared =
    spec === null
      ? 'none: the spec is written from the newest backup'
      : `${spec.memberCount === 1 ? '1 member' : `${spec.memberCount || '?'} members`}, etcd ${spec.etcdVersion ?? '?'}${isCreated ? ', created' : ''}`;
  const size = newest.memberCount === 0 ? '' : `, ${counted(newest.memberCount, 'member')}`;
  return [
    `store            ${store.url}`,
    `cluster spec     ${declared}`,
    `backups          ${backups.length}, of etcd ${versions}`,
    `newest backup    ${newest.name}, ${formatDuration(Math.max(0, nowMs - newest.takenAtMs))} old, etcd ${newest.etcdVersion}${size}`,
    `oldest backup    ${formatTime(backups.at(-1)?.takenAtMs ?? newest.takenAtMs)}`,
  ];
}

function warningsOf({ diagnostics }: BackupListing, { spec, isCreated, commands }: ManagerControl): readonly string[] {
  return [
    ...commands.map(
      ({ key, backup }) =>
        `etcd-manager has a command that it has not carried out${backup === null ? '' : `: restore ${backup}`} (${key}). ` +
        'Let it finish, or take the command back with etcd-manager-ctl delete-command; when etcd-manager is ever started again, it obeys.',
    ),
    ...(spec !== null && !isCreated
      ? [
          'control/etcd-cluster-created is missing: etcd-manager would take this cluster for a new one. Do not start it again on this store.',
        ]
      : []),
    ...diagnostics.map(({ summary, detail }) => `${summary} ${detail}`),
  ];
}

async function ownWarnings(store: ObjectStore): Promise<readonly string[]> {
  if ((await store.read('control/quorate.json')) === undefined) return [];
  return [
    'control/quorate.json is there: Quorate has run this cluster before. A restore has to say which cluster it gives up; `quorate plan` shows the words.',
  ];
}

async function nothingFound(
  store: ObjectStore,
  url: string,
  cluster: string,
  { diagnostics }: BackupListing,
  clock: Clock,
): Promise<QuorateError> {
  const [damaged] = diagnostics;
  const others = damaged === undefined ? await clustersIn(url, cluster, clock, '--from-store') : undefined;
  return new QuorateError({
    code: 'store-empty',
    kind: 'invalid',
    operation: `read the backups of ${cluster} in ${store.url}`,
    summary:
      damaged === undefined
        ? 'there is no backup, so there is nothing to move'
        : `no backup can be read, ${diagnostics.length} are damaged; the first: ${damaged.detail}`,
    remedy: others ?? 'Repair the store from a copy of it, or let etcd-manager take a new backup.',
  });
}
