/** Why a step is in a plan, as a sentence; by the reason that the planner gives. */
export const reasonSentences: Readonly<Record<string, string>> = {
  'before-change': 'Nothing is changed before a verified backup is in the store.',
  'bootstrap-interrupted': 'The bootstrap was begun earlier and has not come to its end.',
  declared: 'The spec says that the cluster is to be created, and nobody knows an earlier one.',
  'declared-discard': 'The spec says that the cluster is to be created anew, and that the data on record is given up.',
  'declared-restore': 'The spec says that the cluster is to be made from a backup.',
  'disk-wiped': 'The host came back with an empty disk; its member has to join again.',
  evacuate: 'A host is cordoned or has left the spec; its member moves to another one.',
  'flags-changed': 'The member runs with other flags than the spec gives.',
  'host-given-up': 'The member is not healthy, and its host is cordoned or has left the spec.',
  'join-interrupted': 'The member was added earlier but has not become a voter yet.',
  'leader-last': 'The leader hands over before it is restarted, after all the others.',
  'leader-leaves': 'The leader hands over before it leaves.',
  'leaf-outdated': 'The certificate does not fit the spec any more.',
  'learner-not-wanted': 'A learner is on the list whose host is cordoned or has left the spec.',
  'not-a-member': 'The host holds data of a member that is none any more; it is kept under another name.',
  'not-running': 'The member has its data but does not run.',
  'renewal-due': 'Two thirds of the life of the certificate are over.',
  replaced:
    'The host holds data of a cluster whose place another one has taken; it is stopped, and the data kept under another name.',
  'restore-interrupted': 'The restore was begun earlier and has not come to its end.',
  restored: 'The restored cluster is checked, then clients are let in.',
  'scale-down': 'The spec declares fewer members than there are.',
  'scale-up': 'The spec declares more members than there are.',
};

/** Never fails: a reason that is not in the table, from a newer planner, is shown as it is. */
export function reasonSentence(reason: string): string {
  return Object.hasOwn(reasonSentences, reason) ? (reasonSentences[reason] ?? reason) : reason;
}
