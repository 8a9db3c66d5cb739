import type { Backup } from '../backup/store.ts';
import { canBumpRevision, compareVersions, minorOf } from '../etcd/releases.ts';
import type { Draft } from './draft.ts';
import type { View } from './view.ts';
import { freshId } from './witness.ts';

/**
 * The backup that the words mean, or a refusal. `latest` is the newest verified one, else the newest there is; over a
 * live cluster it would be the one that is taken of that very cluster before the change, so it has to be named there.
 */
export function chooseBackup(view: View, name: string, isAlive: boolean, draft: Draft): Backup | undefined {
  const backups = view.live.backups.known ? view.live.backups.value : [];
  if (name === 'latest' && isAlive) {
    const newest = backups.slice(0, 3).map((backup) => backup.name);
    draft.refuse({
      code: 'backup-not-named',
      summary: 'The cluster is alive; say which of its backups is to take its place.',
      detail: `\`latest\` changes with every backup, and one is taken before this very change. The newest are ${newest.join(', ') || 'none'}.`,
      remedy: `Choose one of \`quorate backup list\`:\n  bootstrap: { id: ${view.spec.bootstrap?.id ?? freshId(view)}, from: { backup: ${newest[0] ?? 'NAME'} }, discardData: "${view.live.etcd.known ? view.live.etcd.value.clusterId : 'CLUSTER-ID'}" }`,
    });
    return undefined;
  }
  const chosen = name === 'latest' ? newestBackup(view) : backups.find((backup) => backup.name === name);
  if (chosen !== undefined) return isReadable(view, chosen, draft) ? chosen : undefined;
  const newest = backups.slice(0, 3).map((backup) => backup.name);
  draft.refuse({
    code: 'backup-not-found',
    summary: 'The backup that is to be restored is not in the store.',
    detail: `spec.bootstrap.from names ${name}; ${view.spec.backup.store} lists ${backups.length === 0 ? 'no backup of this cluster' : `${backups.length}, the newest ${newest.join(', ')}`}. A backup counts only with its meta and a whole archive.`,
    remedy:
      newest[0] === undefined
        ? 'Correct spec.backup.store, or bring the backups there.'
        : `Choose one of \`quorate backup list\`:\n  bootstrap: { id: ${freshId(view)}, from: { backup: ${newest[0]} } }`,
  });
  return undefined;
}

/** A release reads the databases of its own minor and of older ones. */
function isReadable(view: View, backup: Backup, draft: Draft): boolean {
  const [own, theirs] = [minorOf(view.spec.version), minorOf(backup.etcdVersion)];
  if (compareVersions(`${theirs}.0`, `${own}.0`) <= 0) return true;
  draft.refuse({
    code: 'backup-newer',
    summary: 'The backup is of a newer etcd than the spec names.',
    detail: `Backup ${backup.name} was taken of etcd ${backup.etcdVersion}; etcd ${view.spec.version} is not made for what it may hold.`,
    remedy: `Restore it with its own release:\n  version: ${backup.etcdVersion}`,
  });
  return false;
}

/** The newest verified one, else the newest there is; never one of a cluster that was given up by words. */
export function newestBackup(view: View): Backup | undefined {
  const backups = view.live.backups.known ? view.live.backups.value : [];
  const own = backups.filter(
    ({ proof }) => proof === undefined || view.record?.replaced?.includes(proof.clusterId) !== true,
  );
  return own.find((backup) => backup.proof !== undefined) ?? own[0];
}

const leastBump = 1_000_000;

/**
 * How far revisions are raised, so that no client sees them run backwards: by more than was written since the
 * backup, as far as anybody has seen it (that and a fifth), and by a million at least.
 */
export function bumpFor(view: View, backup: Backup): number {
  if (!canBumpRevision(view.spec.version)) return 0;
  const written = Math.max(0, lastRevision(view) - (backup.proof?.revision ?? 0));
  return Math.max(leastBump, Math.ceil(written * 1.2));
}

/** The highest revision that anybody remembers. */
export function lastRevision(view: View): number {
  const members = view.live.etcd.known ? view.live.etcd.value.members : [];
  const live = members.flatMap((member) => (member.status.known ? [member.status.value.revision] : []));
  const backups = view.live.backups.known ? view.live.backups.value : [];
  return Math.max(view.record?.lastRevision ?? 0, ...live, ...backups.map((backup) => backup.proof?.revision ?? 0));
}
