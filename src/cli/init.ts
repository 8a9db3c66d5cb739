import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '../base/clock.ts';
import { formatDiagnostic, hasErrors } from '../base/diagnostics.ts';
import { QuorateError } from '../base/errors.ts';
import { ensureFolder, replaceFile } from '../base/files.ts';
import { assessRelease } from '../etcd/releases.ts';
import { loadSpecs } from '../spec/load.ts';
import { type CertificateAndKey, createFleetAuthority, issueFleetCertificate } from '../tls/fleet.ts';
import { generatePassphrase } from '../tls/passphrase.ts';
import { defaultVersion } from './init/default-version.ts';
import { type FoundStore, foundText, readFoundStore } from './init/from-store.ts';
import { type HostInput, type HostLayout, isLoopback, layOutHosts, loopbackHosts } from './init/hosts.ts';
import { commitAll } from './init/repository.ts';
import { scaffold } from './init/scaffold.ts';
import { agentYaml, clusterYaml, controllerYaml } from './init/templates.ts';
import { shellWord } from './shell-word.ts';

export { defaultVersion } from './init/default-version.ts';
export { type HostInput, parseHost } from './init/hosts.ts';

export interface InitOptions {
  /** New or empty. */
  readonly dir: string;
  /** Default `orders`. */
  readonly cluster?: string | undefined;
  /** etcd release; default `defaultVersion`. */
  readonly version?: string | undefined;
  /** None: three hosts on 127.0.0.1. */
  readonly hosts?: readonly HostInput[] | undefined;
  /** A store that etcd-manager filled: the spec is written from it. */
  readonly fromStore?: string | undefined;
  readonly clock?: Clock | undefined;
  /** Default that of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

const schemaName = 'etcd-cluster.v1.json';
// The same from src/cli and from dist/cli.
const schemaFile = fileURLToPath(new URL(`../../schemas/${schemaName}`, import.meta.url));

/**
 * Scaffolds a fleet and prints what to run next. Gives exit code 0. Throws, having changed nothing:
 * `folder-not-empty`, `folder-unusable`, `name-invalid`, `version-invalid`, `host-invalid`,
 * `spec-invalid`, `git-failed`, and with `fromStore` those of `readFoundStore`.
 */
export async function init(options: InitOptions, out: { write(text: string): unknown }): Promise<number> {
  const { cluster = 'orders', clock = systemClock, environment = process.env, fromStore } = options;
  checkName(cluster);
  if (options.version !== undefined) checkVersion(options.version);
  const found = fromStore === undefined ? undefined : await lookInto(fromStore, options, clock);
  const version = options.version ?? found?.version ?? defaultVersion;
  const hosts = layOutHosts(options.hosts === undefined || options.hosts.length === 0 ? loopbackHosts : options.hosts);
  if (found !== undefined && hosts.length < found.members) throw tooFewHosts(found.members, hosts.length);
  const target = await scaffold(options.dir, async (folder, finalFolder) => {
    await writeConfiguration(folder, hosts);
    await writeIdentities(join(folder, 'pki'), hosts, clock);
    await ensureFolder(join(folder, 'state'));
    const store = fromStore ?? pathToFileURL(join(finalFolder, 'backups')).href;
    const spec = clusterYaml({ cluster, version, hosts, store, members: found?.members, restore: found?.newest.name });
    checkSpec(cluster, spec);
    await writeRepository(join(folder, 'repo'), spec, cluster, environment);
  });
  if (found !== undefined) out.write(foundText(found));
  out.write(nextSteps(target, cluster, hosts));
  return 0;
}

async function lookInto(url: string, { cluster, version }: InitOptions, clock: Clock): Promise<FoundStore> {
  if (cluster !== undefined) return readFoundStore({ url, cluster, clock, version });
  throw new QuorateError({
    code: 'cluster-not-named',
    kind: 'invalid',
    operation: 'quorate init',
    summary: '--from-store needs the name that the cluster has in the store',
    remedy: 'Give the place above it and its name: --from-store s3://bucket/backups/etcd --cluster main',
  });
}

function tooFewHosts(members: number, hosts: number): QuorateError {
  return new QuorateError({
    code: 'host-invalid',
    kind: 'invalid',
    operation: 'quorate init',
    summary: `the cluster in the store has ${members} members, and ${hosts} hosts were given`,
    remedy: `Give ${members} hosts or more, each as --host NAME=IP:PORT.`,
  });
}

async function writeConfiguration(folder: string, hosts: readonly HostLayout[]): Promise<void> {
  await replaceFile(join(folder, 'controller.yaml'), controllerYaml(), 0o644);
  await ensureFolder(join(folder, 'agents'), 0o755);
  for (const host of hosts) await replaceFile(join(folder, 'agents', `${host.name}.yaml`), agentYaml(host), 0o644);
}

async function writeIdentities(pki: string, hosts: readonly HostLayout[], clock: Clock): Promise<void> {
  await ensureFolder(join(pki, 'agents'));
  const authority = await createFleetAuthority(clock);
  await writePair(join(pki, 'ca'), authority);
  for (const kind of ['controller', 'operator'] as const) {
    await writePair(join(pki, kind), await issueFleetCertificate(authority, { kind }, clock));
  }
  for (const { name, ip } of hosts) {
    const agent = await issueFleetCertificate(authority, { kind: 'agent', name, address: ip }, clock);
    await writePair(join(pki, 'agents', name), agent);
  }
  await replaceFile(join(pki, 'keystore.passphrase'), `${generatePassphrase().reveal()}\n`);
}

async function writePair(path: string, pair: CertificateAndKey): Promise<void> {
  await replaceFile(`${path}.key`, pair.key, 0o600);
  await replaceFile(`${path}.crt`, pair.certificate, 0o644);
}

async function writeRepository(
  repo: string,
  spec: string,
  cluster: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await ensureFolder(join(repo, 'clusters'), 0o755);
  await ensureFolder(join(repo, 'schemas'), 0o755);
  await replaceFile(join(repo, 'clusters', `${cluster}.yaml`), spec, 0o644);
  // Beside the specs, so that editors check them without a network.
  await replaceFile(join(repo, 'schemas', schemaName), await readFile(schemaFile), 0o644);
  await commitAll(repo, `Declare the etcd cluster ${cluster}`, environment);
}

function nextSteps(target: string, cluster: string, hosts: readonly HostLayout[]): string {
  const isLocal = hosts.every(({ ip }) => isLoopback(ip));
  const names = hosts.map(({ name }) => name);
  const copy = isLocal
    ? ''
    : '\nOn its own host an agent needs agents/NAME.yaml, pki/ca.crt, pki/agents/NAME.crt and pki/agents/NAME.key, in the same layout.\nKeep pki/ca.key off the hosts: whoever has it commands the fleet.\n';
  return `Made a fleet in ${target}: cluster ${cluster}, hosts ${names.join(', ')}.
${copy}
Start the agents, then the controller, each in a terminal or as a service:
${names.map((name) => `  quorate agent --config ${shellWord(join(target, 'agents', `${name}.yaml`))}`).join('\n')}
  quorate controller --config ${shellWord(join(target, 'controller.yaml'))}

Then look, and change the cluster by a commit in ${join(target, 'repo')}:
  quorate status --config ${shellWord(join(target, 'controller.yaml'))}
`;
}

function checkName(cluster: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(cluster)) return;
  throw new QuorateError({
    code: 'name-invalid',
    kind: 'invalid',
    operation: 'quorate init',
    summary: `${JSON.stringify(cluster.slice(0, 100))} is not a name of a cluster`,
    remedy: 'Use lower-case letters, digits and hyphens, 1 to 63 of them, a letter or digit at both ends.',
  });
}

function checkVersion(version: string): void {
  if (!/^3\.(0|[1-9][0-9]?)\.(0|[1-9][0-9]{0,2})$/.test(version)) {
    throw new QuorateError({
      code: 'version-invalid',
      kind: 'invalid',
      operation: 'quorate init',
      summary: `${JSON.stringify(version.slice(0, 100))} is not a release of etcd 3`,
      remedy: `Give it as major.minor.patch, for example ${defaultVersion}.`,
    });
  }
  const { severity, findings } = assessRelease(version);
  const [worst] = findings;
  if (severity !== 'data-loss' || worst === undefined) return;
  throw new QuorateError({
    code: 'version-invalid',
    kind: 'invalid',
    operation: 'quorate init',
    summary: `etcd ${version} can lose data, and a new cluster has no reason to run it: ${worst.why}`,
    remedy: `Use ${worst.fixedIn} or later, for example ${defaultVersion}.`,
  });
}

/** What is committed must be what the controller accepts; the rules of the spec say what the options cannot. */
function checkSpec(cluster: string, spec: string): void {
  const { diagnostics } = loadSpecs([{ path: `clusters/${cluster}.yaml`, content: spec }]);
  if (!hasErrors(diagnostics)) return;
  throw new QuorateError({
    code: 'spec-invalid',
    kind: 'invalid',
    operation: 'quorate init',
    summary: `these options give a spec that is refused:\n${diagnostics.map(formatDiagnostic).join('\n')}`,
    remedy: 'Change --version or --host.',
  });
}
