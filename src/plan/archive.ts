import type { Draft } from './draft.ts';

/** A host that holds the data of no member: its process is stopped and the data dir renamed. */
export function archive(draft: Draft, host: string, memberId: string, reason = 'not-a-member'): void {
  draft.step({
    action: 'archive-data',
    target: host,
    reason,
    risk: 'none',
    requires: ['not-a-member'],
    ensures: ['stopped', 'data-archived'],
    detail: { memberId },
  });
}
