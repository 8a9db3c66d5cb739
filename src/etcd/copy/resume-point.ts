import { QuorateError } from '../../base/errors.ts';
import type { Write } from './history.ts';
import type { KeyReader } from './key-reader.ts';
import type { KeyRecord } from './keyspace.ts';
import { holdTheSame, sideBySide } from './side-by-side.ts';

/** How far a copy came that was broken off. Writes go into the target in the order of the source's revisions. */
export interface ResumePoint {
  /** All writes before this revision of the source were done, and some of it; 0: none. */
  readonly revision: number;
  isDone(write: Write): boolean;
}

/**
 * Looks which writes are in the target. Rejects with `target-differs` when it holds anything that the source does
 * not hold at that revision: it is no copy of it then.
 */
export async function findResumePoint(source: KeyReader, target: KeyReader): Promise<ResumePoint> {
  const found = new LastRevision();
  await sideBySide(source.chunks(), target, (ours, theirs) => {
    if (theirs === undefined) return;
    if (ours === undefined || !holdTheSame(ours, theirs)) throw targetDiffers(theirs, source.revision);
    found.saw(ours.createRevision, `created ${ours.key.toString('latin1')}`);
    if (ours.modRevision !== ours.createRevision && theirs.version > 1)
      found.saw(ours.modRevision, `touched ${ours.key.toString('latin1')}`);
  });
  return {
    revision: found.revision,
    isDone: ({ revision, key, value }) =>
      revision < found.revision ||
      (revision === found.revision &&
        found.writes.has(`${value === undefined ? 'touched' : 'created'} ${key.toString('latin1')}`)),
  };
}

/** The last revision that was seen, and what was written at it. */
class LastRevision {
  revision = 0;
  readonly writes = new Set<string>();

  saw(revision: number, write: string): void {
    if (revision < this.revision) return;
    if (revision > this.revision) this.writes.clear();
    this.revision = revision;
    this.writes.add(write);
  }
}

function targetDiffers({ key }: KeyRecord, revision: number): QuorateError {
  return new QuorateError({
    code: 'target-differs',
    kind: 'refused',
    operation: 'continue a copy',
    summary: `the target holds the key ${JSON.stringify(key.toString('latin1'))} as the source does not at revision ${revision}, so it is no unfinished copy of that state`,
    remedy:
      'Name the revision that the copy said at its start with --revision; if that is not it, empty the target and copy again without --continue.',
  });
}
