import type { QuorateError } from '../base/errors.ts';

/** What can only come from the content of the backup. */
const wrongContent: readonly string[] = ['backup-altered', 'snapshot-corrupt', 'object-not-found'];

/** Programs that read the content, and say so when they cannot. */
const readers: readonly string[] = ['tool-failed', 'scratch-ended'];

/** What such a program says, or how it ends, when the machine and not the content is the trouble. */
const machineTrouble =
  /no space left|disk quota|out of memory|cannot allocate|too many open files|permission denied|read-only file system|exec format|address already in use|was ended by SIG|EACCES|ENOMEM|EMFILE|ETXTBSY/i;

/** Whether an error in the course of a drill speaks against the backup, and not against the machine or the way to the store. */
export function isAboutBackup(error: QuorateError): boolean {
  if (wrongContent.includes(error.code)) return true;
  return readers.includes(error.code) && !machineTrouble.test(error.summary);
}
