import { createHash } from 'node:crypto';
import type { Diagnostic } from '../base/diagnostics.ts';
import { QuorateError } from '../base/errors.ts';
import { formatSize } from '../base/size.ts';
import { forPeople, type Git } from './git.ts';
import { revisionLimits as limits, type Revision, type RevisionFile } from './revision.ts';

/** Reads the spec files of a commit from its objects: no work tree, hooks, filters, links or submodules. */
export async function readRevision(git: Git, commit: string, path: string): Promise<Revision> {
  const header = await readHeader(git, commit);
  const { wanted, diagnostics } = sift(await listEntries(git, commit, path), path);
  const files = await readBlobs(git, commit, wanted);
  if (files.length === 0 && diagnostics.length === 0)
    diagnostics.push({
      severity: 'warning',
      code: 'path-empty',
      summary: 'No cluster spec at this path',
      detail: `Commit ${commit} holds no .yaml or .yml file below ${path === '' ? 'its root' : `${path}/`}. Is git.path right?`,
      file: path === '' ? undefined : path,
    });
  return { commit, ...header, files, diagnostics };
}

async function readHeader(git: Git, commit: string): Promise<Pick<Revision, 'author' | 'subject' | 'committedAtMs'>> {
  const text = (await output(git, ['cat-file', 'commit', commit])).toString('utf8');
  const end = text.indexOf('\n\n');
  const header = end < 0 ? text : text.slice(0, end);
  const message = end < 0 ? '' : text.slice(end + 2).trimStart();
  const author = /^author (.*?)(?: -?\d+ [+-]\d+)?$/m.exec(header)?.[1] ?? '';
  const seconds = Number(/^committer .* (-?\d+) [+-]\d+$/m.exec(header)?.[1] ?? 0);
  return {
    author: forPeople(author),
    subject: forPeople(message.split('\n', 1)[0] ?? '').slice(0, limits.subjectLength),
    committedAtMs: Number.isSafeInteger(seconds * 1000) ? seconds * 1000 : 0,
  };
}

interface Entry {
  readonly mode: string;
  readonly id: string;
  /** 0 for what is not a blob. */
  readonly sizeBytes: number;
  readonly path: string;
}

async function listEntries(git: Git, commit: string, path: string): Promise<readonly Entry[]> {
  const place = path === '' ? [] : ['--', path];
  const listing = await output(git, ['ls-tree', '-r', '-z', '-l', '--full-tree', commit, ...place]);
  return listing
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^(\d{6}) [a-z]+ ([0-9a-f]{40,64}) +(\d+|-)\t([\s\S]+)$/.exec(line);
      if (match === null)
        throw unreadable('list the files of a commit', `git gave ${JSON.stringify(line.slice(0, 200))}`);
      return { mode: match[1] ?? '', id: match[2] ?? '', sizeBytes: Number(match[3]) || 0, path: match[4] ?? '' };
    });
}

/** Parts what is to be read from what has to be reported. Names that begin with a dot are left out silently. */
function sift(entries: readonly Entry[], path: string): { wanted: readonly Entry[]; diagnostics: Diagnostic[] } {
  const wanted: Entry[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const entry of entries) {
    const isSpec = /\.ya?ml$/.test(entry.path);
    const below = path === '' || entry.path === path ? entry.path : entry.path.slice(path.length + 1);
    if (below.split('/').some((part) => part.startsWith('.'))) continue;
    const problem = problemOf(entry, isSpec);
    if (problem !== undefined) diagnostics.push(problem);
    else if (isSpec) wanted.push(entry);
  }
  // A hundred findings of one kind tell no more than the first ones.
  const dropped = diagnostics.splice(100).length;
  if (dropped > 0)
    diagnostics.push({
      severity: 'error',
      code: 'too-many-findings',
      summary: 'More entries cannot be read',
      detail: `${dropped} more are not listed.`,
    });
  return { wanted, diagnostics };
}

function problemOf(entry: Entry, isSpec: boolean): Diagnostic | undefined {
  const isRegular = entry.mode === '100644' || entry.mode === '100755' || entry.mode === '100664';
  const file = forPeople(entry.path).slice(0, limits.pathLength);
  if (!isRegular) {
    const what = entry.mode === '120000' ? 'a symbolic link' : entry.mode === '160000' ? 'a submodule' : 'not a file';
    return {
      severity: isSpec ? 'error' : 'warning',
      code: 'not-a-regular-file',
      summary: 'Links and submodules are not followed',
      detail: `This is ${what}. Commit the spec itself as a regular file.`,
      file,
    };
  }
  if (!isSpec) return undefined;
  if (entry.path.length > limits.pathLength || /[\p{Cc}\uFFFD]/u.test(entry.path))
    return {
      severity: 'error',
      code: 'unusable-path',
      summary: 'The name of this file cannot be used',
      detail: `It has ${entry.path.length} characters. Allowed are ${limits.pathLength} characters of UTF-8 without control characters. Rename it.`,
      file,
    };
  if (entry.sizeBytes > limits.fileBytes)
    return {
      severity: 'error',
      code: 'file-too-large',
      summary: 'This file is too large for a cluster spec',
      detail: `It has ${formatSize(entry.sizeBytes)}, allowed are ${formatSize(limits.fileBytes)}. It was not read.`,
      file,
    };
  return undefined;
}

async function readBlobs(git: Git, commit: string, wanted: readonly Entry[]): Promise<readonly RevisionFile[]> {
  const totalBytes = wanted.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  // A part of the specs would look like clusters that were taken out, so it is all or nothing.
  if (wanted.length > limits.files || totalBytes > limits.totalBytes)
    throw new QuorateError({
      code: 'source-too-large',
      kind: 'stalled',
      operation: `read the specs of commit ${commit}`,
      summary: `${wanted.length} files with ${formatSize(totalBytes)} are more than the ${limits.files} files and ${formatSize(limits.totalBytes)} that are read at most`,
      remedy: 'Keep cluster specs in a folder of their own and point git.path at it.',
    });
  const contents = new Map<string, Buffer>();
  const unique = [...new Map(wanted.map((entry) => [entry.id, entry])).values()];
  // 200 ids are 13 KiB of arguments at most; Linux allows 128 KiB in one.
  for (let start = 0; start < unique.length; start += 200) {
    const batch = unique.slice(start, start + 200);
    // git show gives blobs named by id one after the other as they are, without textconv and attributes.
    const all = await output(git, ['show', '--no-textconv', '--no-ext-diff', ...batch.map(({ id }) => id)]);
    let offset = 0;
    for (const { id, sizeBytes } of batch) {
      const content = all.subarray(offset, offset + sizeBytes);
      offset += sizeBytes;
      if (blobId(content, id.length) !== id) throw unreadable(`read commit ${commit}`, `object ${id} is damaged`);
      contents.set(id, content);
    }
  }
  return wanted
    .map(({ id, path }) => ({ path, content: contents.get(id) ?? Buffer.alloc(0) }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function blobId(content: Buffer, idLength: number): string {
  const hash = createHash(idLength === 40 ? 'sha1' : 'sha256');
  return hash.update(`blob ${content.length}\0`).update(content).digest('hex');
}

async function output(git: Git, args: readonly string[]): Promise<Buffer> {
  const { exitCode, stdout, stderr } = await git.run(args);
  if (exitCode !== 0) throw unreadable(`git ${args[0] ?? ''}`, stderr);
  return stdout;
}

function unreadable(operation: string, seen: string): QuorateError {
  return new QuorateError({
    code: 'source-unreadable',
    kind: 'transient',
    operation,
    summary: `the repository cannot be read: ${seen}`,
    remedy: 'Check the repository with: git fsck',
  });
}
