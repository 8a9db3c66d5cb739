import type { Diagnostic } from '../base/diagnostics.ts';

/** What a commit says: the spec files below the configured path, as the commit's objects hold them. */
export interface Revision {
  /** Full commit id, 40 or 64 hexadecimal digits. */
  readonly commit: string;
  /** `Name <address>`, one line. */
  readonly author: string;
  /** First line of the message, at most 200 characters. */
  readonly subject: string;
  /** Committer's time, milliseconds since the Unix epoch. */
  readonly committedAtMs: number;
  /** Sorted by path. Empty when the path holds no spec; then `diagnostics` has a `path-empty` warning. */
  readonly files: readonly RevisionFile[];
  /** Entries that were left out, and why. An error here means that a spec may be missing from `files`. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface RevisionFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly content: Buffer;
}

/** Beyond these a source is refused (files, total) or the one file is reported and not read. */
export const revisionLimits = {
  files: 1000,
  fileBytes: 256 * 1024,
  /** 1,000 specs of 16 KiB, far above what specs weigh; it bounds the memory of one read. */
  totalBytes: 16 * 1024 * 1024,
  pathLength: 300,
  subjectLength: 200,
} as const;
