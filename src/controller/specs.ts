import { join } from 'node:path';
import { digestOf } from '../base/canonical.ts';
import type { Diagnostic } from '../base/diagnostics.ts';
import { describeError, QuorateError } from '../base/errors.ts';
import { ensureFolder, readFileIfExists, replaceFile } from '../base/files.ts';
import type { Revision, RevisionFile } from '../source/revision.ts';
import type { ClusterSpec } from '../spec/cluster-spec.ts';
import { loadSpecs } from '../spec/load.ts';

/** What Git says of one cluster at the newest commit. */
export interface DesiredCluster {
  readonly name: string;
  /** Path of its file in the repository. */
  readonly path: string;
  /** In force; undefined when the cluster never had a readable spec. */
  readonly spec: ClusterSpec | undefined;
  /** Commit that the spec in force was read at. */
  readonly commit: string;
  /** Of the spec in force: a commit that does not change it changes nothing for this cluster. */
  readonly digest: string;
  /** Findings in its file at the newest commit; with an error among them the last good spec is in force. */
  readonly diagnostics: readonly Diagnostic[];
  /** Its file is gone: it keeps running and is touched no more. */
  readonly isOrphaned: boolean;
}

export interface Desired {
  readonly commit: string;
  readonly clusters: readonly DesiredCluster[];
  /** Findings that belong to no known cluster. */
  readonly diagnostics: readonly Diagnostic[];
}

interface LastGood {
  readonly commit: string;
  readonly path: string;
  readonly content: string;
}

/**
 * Remembers, for each cluster, the last file that could be read, with its text: a rewritten history
 * may take the commit away. A broken commit, a vanished file, an empty folder never mean "delete".
 */
export async function openSpecMemory(
  stateDir: string,
): Promise<{ resolve(revision: Revision, record: boolean): Promise<Desired> }> {
  const path = join(stateDir, 'last-good-specs.json');
  await ensureFolder(stateDir);
  const text = await readFileIfExists(path);
  let remembered: Readonly<Record<string, LastGood>> = text === undefined ? {} : parseMemory(path, text);

  return {
    /** `record` false: only looks, for plans of commits that are not in force. */
    resolve: async (revision, record) => {
      const desired = resolveSpecs(revision, remembered);
      if (!record) return desired;
      const next = { ...remembered, ...readable(revision, desired) };
      if (JSON.stringify(next) !== JSON.stringify(remembered)) {
        await replaceFile(path, JSON.stringify(next, undefined, 2));
        remembered = next;
      }
      return desired;
    },
  };
}

function parseMemory(path: string, text: string): Record<string, LastGood> {
  try {
    return JSON.parse(text) as Record<string, LastGood>;
  } catch (error) {
    throw new QuorateError({
      code: 'state-damaged',
      kind: 'stalled',
      operation: `read ${path}`,
      summary: `it is not JSON (${describeError(error)}); it tells which clusters were known`,
      remedy: 'Restore it from a copy of the state folder. If every spec in Git can be read, it may be removed.',
      cause: error,
    });
  }
}

function resolveSpecs(revision: Revision, remembered: Readonly<Record<string, LastGood>>): Desired {
  const loaded = loadSpecs(revision.files);
  const diagnostics = [...revision.diagnostics, ...loaded.diagnostics];
  const renamed = renamedFiles(loaded.specs, remembered);
  const found = loaded.specs
    .filter(({ path }) => !renamed.some((diagnostic) => diagnostic.file === path))
    .map(({ spec, path }): DesiredCluster => {
      const own = diagnostics.filter((diagnostic) => diagnostic.file === path);
      const digest = digestOf(spec);
      return { name: spec.name, path, spec, commit: revision.commit, digest, diagnostics: own, isOrphaned: false };
    });
  const kept = Object.entries(remembered)
    .filter(([name]) => !found.some((cluster) => cluster.name === name))
    .map(([name, last]) =>
      keepLastGood(
        name,
        last,
        revision,
        [...diagnostics, ...renamed],
        found.map(({ path }) => path),
      ),
    );
  const clusters = [...found, ...kept].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    commit: revision.commit,
    clusters,
    diagnostics: [
      ...diagnostics.filter((diagnostic) => !clusters.some((cluster) => cluster.path === diagnostic.file)),
      ...renamed.filter((diagnostic) => !clusters.some((cluster) => cluster.path === diagnostic.file)),
      ...emptySource(revision, remembered),
    ],
  };
}

/**
 * A file whose cluster has another name than before: taken as it stands, the old cluster would go on and the new
 * one be created on the same hosts. Neither the one nor the other is meant, so the former spec stays in force.
 */
function renamedFiles(
  specs: readonly { readonly spec: ClusterSpec; readonly path: string }[],
  remembered: Readonly<Record<string, LastGood>>,
): readonly Diagnostic[] {
  return specs.flatMap(({ spec, path }): Diagnostic[] => {
    const former = Object.entries(remembered).find(([name, last]) => last.path === path && name !== spec.name)?.[0];
    if (former === undefined || remembered[spec.name] !== undefined) return [];
    if (specs.some((other) => other.spec.name === former)) return [];
    return [
      {
        severity: 'error',
        code: 'cluster-renamed',
        summary: 'A cluster cannot be renamed.',
        detail: `${path} declared ${former} before and now declares ${spec.name}. The former spec stays in force. Put the name back; or, for another cluster, use a file of its own with hosts or ports of its own.`,
        file: path,
        path: '/metadata/name',
      },
    ];
  });
}

function keepLastGood(
  name: string,
  last: LastGood,
  revision: Revision,
  diagnostics: readonly Diagnostic[],
  /** Paths whose file declares another cluster by now. */
  taken: readonly string[],
): DesiredCluster {
  const again = loadSpecs([{ path: last.path, content: last.content }]).specs[0]?.spec;
  // What was left out of the revision may have been this very file: an error there means that nobody knows.
  const isThere =
    (revision.files.some((file) => file.path === last.path) && !taken.includes(last.path)) ||
    diagnostics.some((diagnostic) => diagnostic.file === last.path) ||
    revision.diagnostics.some((diagnostic) => diagnostic.severity === 'error');
  return {
    name,
    path: last.path,
    spec: again,
    commit: last.commit,
    digest: digestOf(again ?? null),
    diagnostics: diagnostics.filter((diagnostic) => diagnostic.file === last.path),
    isOrphaned: !isThere,
  };
}

function emptySource(revision: Revision, remembered: Readonly<Record<string, LastGood>>): readonly Diagnostic[] {
  const known = Object.keys(remembered);
  if (revision.files.length > 0 || known.length === 0) return [];
  return [
    {
      severity: 'error',
      code: 'source-empty',
      summary: 'The repository holds no cluster spec any more.',
      detail: `At commit ${revision.commit.slice(0, 12)} there is no spec; known before: ${known.join(', ')}. Nothing is deleted: the clusters keep running and are touched no more. Check git.path, or restore the files.`,
    },
  ];
}

function readable(revision: Revision, desired: Desired): Record<string, LastGood> {
  const text = (path: string): RevisionFile | undefined => revision.files.find((file) => file.path === path);
  return Object.fromEntries(
    desired.clusters.flatMap((cluster) => {
      const file = cluster.commit === revision.commit && !cluster.isOrphaned ? text(cluster.path) : undefined;
      return file === undefined
        ? []
        : [[cluster.name, { commit: cluster.commit, path: cluster.path, content: file.content.toString('utf8') }]];
    }),
  );
}
