import { type Diagnostic, hasErrors } from '../base/diagnostics.ts';
import { type ParsedDocument, parseDocument } from '../base/document.ts';
import { backupSchedule } from './backup-rules.ts';
import type { AuthoritySpec, BootstrapSpec, ClusterSpec, HostSpec, TrustSpec } from './cluster-spec.ts';
import type { EtcdCluster } from './etcd-cluster.generated.ts';
import { type Finding, sortDiagnostics, toDiagnostic } from './finding.ts';
import { type Conflict, hostPorts, type PlacedCluster, placedHosts, portConflicts } from './port-rules.ts';
import { explainMemberCount } from './quorum-text.ts';
import { checkRules, isWellShaped } from './rules.ts';
import { compileSchema, validateDocument } from './schema.ts';
import { durationMs, flagValue } from './values.ts';

export interface SpecFile {
  readonly path: string;
  readonly content: Uint8Array | string;
}

export interface LoadedSpec {
  readonly spec: ClusterSpec;
  readonly path: string;
}

export interface BrokenSpec {
  readonly path: string;
  /** The name that it gives its cluster, when so much can be read. */
  readonly name?: string;
}

export interface LoadedSpecs {
  /** In the order of the files. */
  readonly specs: readonly LoadedSpec[];
  /** By file, line and column. */
  readonly diagnostics: readonly Diagnostic[];
  /** Files with an error: their clusters keep the last good spec. */
  readonly broken: readonly BrokenSpec[];
}

const validate = compileSchema<EtcdCluster>('etcd-cluster');

/** A file that could be read; what concerns other files is checked even when the rest of it is wrong. */
interface Candidate extends PlacedCluster {
  readonly document: ParsedDocument;
  /** Missing when the file alone has an error already. */
  readonly spec?: ClusterSpec;
}

interface LoadedFile {
  readonly candidate?: Candidate;
  readonly name?: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads all specs of one commit and reports everything that is wrong with them at once. Never throws.
 * What two files do wrong together makes both of them broken: nobody can tell which one was meant.
 */
export function loadSpecs(files: readonly SpecFile[]): LoadedSpecs {
  const loaded = files.map((file) => loadSpec(file));
  const candidates = loaded.flatMap(({ candidate }) => candidate ?? []);
  const diagnostics = loaded.flatMap((file) => file.diagnostics);
  const brokenTogether = new Set<PlacedCluster>();
  // Two copies of one file clash in every port as well; their common name says it all.
  const ports = portConflicts(candidates).filter(
    ({ later, earlier }) => later === earlier || later.name !== earlier.name,
  );
  for (const { later, earlier, finding } of [...sameNames(candidates), ...ports]) {
    diagnostics.push(toDiagnostic(later.document, finding));
    brokenTogether.add(later).add(earlier);
  }
  const specs: LoadedSpec[] = [];
  const broken: BrokenSpec[] = [];
  for (const [index, { path }] of files.entries()) {
    const { candidate, name } = loaded[index] ?? {};
    if (candidate?.spec !== undefined && !brokenTogether.has(candidate)) specs.push({ spec: candidate.spec, path });
    else broken.push({ path, ...(name === undefined ? {} : { name }) });
  }
  return { specs, diagnostics: sortDiagnostics(diagnostics), broken };
}

function loadSpec(file: SpecFile): LoadedFile {
  const { document, diagnostics: unreadable, salvaged } = parseDocument(file.path, file.content);
  if (document === undefined) return { diagnostics: unreadable, name: nameOf(salvaged) };
  if (isPlainlyOther(document.value)) return { diagnostics: [toDiagnostic(document, otherFile)] };
  const { value, diagnostics: wrongShape, misshapen } = validateDocument(document, validate);
  const shape = wrongShape.map((diagnostic) => explainMembers(document, diagnostic));
  const findings = checkRules(document, misshapen).map((finding) => toDiagnostic(document, finding));
  const diagnostics = [...shape, ...findings];
  const name = nameOf(document.value);
  if (name === undefined) return { diagnostics };
  const isUsable = value !== undefined && !hasErrors(diagnostics);
  const candidate: Candidate = {
    document,
    name,
    hosts: isWellShaped(['/spec/hosts', '/spec/ports'], misshapen) ? placedHosts(document.value as EtcdCluster) : [],
    path: file.path,
    positionOf: (pointer) => document.positionOf(pointer),
    ...(isUsable ? { spec: toClusterSpec(value) } : {}),
  };
  return { candidate, name, diagnostics };
}

const otherFile: Finding = {
  code: 'not-a-cluster',
  summary: 'This file is no cluster spec',
  detail:
    'Found neither "apiVersion: quorate.dev/v1" nor "kind: EtcdCluster". If it is meant to be one, begin it with these two lines. Else keep it out of the folder of the specs (git.path in controller.yaml, repo/clusters after `quorate init`), and validate that folder alone.',
  pointer: '',
};

/**
 * Each of the dozens of things that such a file lacks would hide the one that matters. A spec that lost
 * its first two lines is known by the name of its cluster, and keeps it from others.
 */
function isPlainlyOther(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const [apiVersion, kind] = [memberOf(value, 'apiVersion'), memberOf(value, 'kind')];
  if (kind === 'EtcdCluster' || (typeof apiVersion === 'string' && /^quorate\.dev(\/|$)/.test(apiVersion)))
    return false;
  return apiVersion !== undefined || kind !== undefined || nameOf(value) === undefined;
}

/** The schema knows that a member count is wrong, not why. */
function explainMembers(document: ParsedDocument, diagnostic: Diagnostic): Diagnostic {
  if (diagnostic.path !== '/spec/members' || diagnostic.code !== 'not-allowed') return diagnostic;
  const members = (document.value as EtcdCluster).spec.members as unknown;
  if (typeof members !== 'number' || !Number.isInteger(members)) return diagnostic;
  const isEven = members > 0 && members % 2 === 0;
  return {
    ...diagnostic,
    code: isEven ? 'even-member-count' : 'member-count',
    summary: isEven ? 'An even number of members' : 'Not a number of members that a cluster can have',
    detail: explainMemberCount(members),
  };
}

function sameNames(candidates: readonly Candidate[]): readonly Conflict<Candidate>[] {
  const names = new Map<string, Candidate>();
  return candidates.flatMap((later) => {
    const earlier = names.get(later.name);
    if (earlier === undefined) {
      names.set(later.name, later);
      return [];
    }
    const { line, column } = earlier.positionOf('/metadata/name');
    const finding: Finding = {
      code: 'duplicate-cluster',
      summary: 'Two clusters with one name',
      detail: `${JSON.stringify(later.name)} is the name of another cluster already (${earlier.path}:${line}:${column}). Neither file is used until one is renamed or deleted.`,
      pointer: '/metadata/name',
    };
    return [{ later, earlier, finding }];
  });
}

function nameOf(value: unknown): string | undefined {
  const metadata = memberOf(value, 'metadata');
  const name = memberOf(metadata, 'name');
  return typeof name === 'string' && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) ? name : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(key)
    : undefined;
}

function toClusterSpec({ metadata, spec }: EtcdCluster): ClusterSpec {
  const hosts = spec.hosts.map(
    (host): HostSpec => ({
      name: host.name,
      agent: host.agent,
      address: host.address,
      ...(host.zone === undefined ? {} : { zone: host.zone }),
      cordon: host.cordon,
      ports: hostPorts(spec.ports, host.ports),
    }),
  );
  const trust = ({ trust: trusted, issue }: TrustSpec): TrustSpec => ({ trust: [...trusted], issue });
  return {
    name: metadata.name,
    version: spec.version,
    members: spec.members,
    hosts,
    ...(spec.bootstrap === undefined ? {} : { bootstrap: toBootstrap(spec.bootstrap) }),
    etcd: Object.fromEntries(Object.entries(spec.etcd).map(([flag, value]) => [flag, flagValue(value)])),
    tls: {
      authorities: Object.fromEntries(
        Object.entries(spec.tls.authorities).map(([name, { managed }]): [string, AuthoritySpec] => [
          name,
          // Others than managed ones were refused by the rules.
          { kind: 'managed', validityMs: durationMs(managed?.validity ?? '') },
        ]),
      ),
      peer: trust(spec.tls.peer),
      client: trust(spec.tls.client),
      leaf: { validityMs: durationMs(spec.tls.leaf.validity), keyType: spec.tls.leaf.keyType },
    },
    backup: {
      store: spec.backup.store,
      ...(spec.backup.every === undefined ? {} : { every: backupSchedule(spec.backup.every) }),
      ...(spec.backup.keep === undefined ? {} : { keep: spec.backup.keep }),
      drill: spec.backup.drill,
    },
    upgrade: { ...spec.upgrade },
    replace: { wipedDisk: spec.replace.wipedDisk },
    suspend: spec.suspend,
  };
}

function toBootstrap({ id, from, discardData }: NonNullable<EtcdCluster['spec']['bootstrap']>): BootstrapSpec {
  return { id, from, ...(discardData === undefined ? {} : { discardData }) };
}
