import { join } from 'node:path';
import { type Clock, formatTime } from '../../base/clock.ts';
import { QuorateError } from '../../base/errors.ts';
import { ensureFolder, readFileIfExists, replaceFile } from '../../base/files.ts';
import { hostUrl } from '../../spec/cluster-spec.ts';
import { type CertificateAndKey, issueFleetCertificate } from '../../tls/fleet.ts';
import { parseCertificate } from '../../tls/leaf.ts';
import { exitCodes } from '../exit-codes.ts';
import { freePorts, type HostInput, type HostLayout, isLoopback, machineOf, standardPorts } from '../init/hosts.ts';
import { agentYaml, hostLine } from '../init/templates.ts';
import { shellWord } from '../shell-word.ts';
import type { Terminal } from '../terminal.ts';
import { type FleetFolder, inFleet, openFleetFolder, readFleetAuthority } from './folder.ts';
import { type KnownAgent, type KnownSpecs, knownAgents, knownSpecs } from './known-hosts.ts';
import { isPair, writePair } from './pair.ts';

/**
 * `quorate fleet add DIR --host NAME=IP:PORT`: certificate and configuration of one more agent, and what to do with
 * them. Done again after it was cut off, it goes on with the certificate that is there. Throws `host-exists` and
 * what the folder and the authority throw.
 */
export async function addHost(dir: string, host: HostInput, clock: Clock, terminal: Terminal): Promise<number> {
  const fleet = await openFleetFolder(dir);
  const authority = await readFleetAuthority(fleet, clock.now());
  const agents = await knownAgents(fleet);
  refuseKnown(fleet, host, agents);
  const known = await knownSpecs(fleet, clock);
  const layout = { ...host, ports: portsOf(host, agents, known) };
  checkAgentPort(layout);
  const path = join(fleet.pki, 'agents', host.name);
  const certificate = await inFleet(fleet.path, async () => {
    await ensureFolder(join(fleet.pki, 'agents'));
    const existing = await existingPair(path, host);
    const role = { kind: 'agent', name: host.name, address: host.ip } as const;
    const pair = existing ?? (await issueFleetCertificate(authority, role, clock));
    if (existing === undefined) await writePair(path, pair);
    await ensureFolder(join(fleet.path, 'agents'), 0o755);
    // Comes last: from here on the host counts as added.
    await replaceFile(join(fleet.path, 'agents', `${host.name}.yaml`), agentYaml(layout), 0o644);
    return pair.certificate;
  });
  terminal.out(nextSteps(fleet, layout, parseCertificate(certificate).notAfterMs, known));
  return exitCodes.done;
}

function refuseKnown(fleet: FleetFolder, host: HostInput, agents: readonly KnownAgent[]): void {
  const same = agents.find((agent) => agent.name === host.name);
  if (same !== undefined)
    throw hostExists(
      host,
      `${same.file} is the configuration of an agent of this name`,
      `Its certificate and key are in pki/agents/: copy them to the host again, or make new ones with: quorate fleet renew ${shellWord(fleet.path)} --all. For another address, take that file and pki/agents/${host.name}.* away first.`,
    );
  const neighbour = agents.find((agent) => agent.ip === host.ip && agent.port === host.port);
  if (neighbour !== undefined)
    throw hostExists(
      host,
      `the agent of ${neighbour.name} listens on ${hostUrl(host.ip, host.port)}`,
      'Give another port.',
    );
}

/** A pair that an earlier, unfinished call left. A key without a certificate was never of any use. */
async function existingPair(path: string, host: HostInput): Promise<CertificateAndKey | undefined> {
  const [certificate, key] = [await readFileIfExists(`${path}.crt`), await readFileIfExists(`${path}.key`)];
  if (certificate === undefined) return undefined;
  const { sans } = parseCertificate(certificate);
  const isOurs = sans.includes(`quorate://agent/${host.name}`) && sans.includes(host.ip);
  if (isOurs && key !== undefined && isPair({ certificate, key })) return { certificate, key };
  throw hostExists(
    host,
    `${path}.crt is there, with another address or without its key`,
    'If it is in use, keep it; else take it and its key away first.',
  );
}

/**
 * Standard ports, or free ones where others share the machine. Agents that no commit names yet were given ports in
 * the same way, so the same ports are kept for them.
 */
function portsOf(host: HostInput, agents: readonly KnownAgent[], { specs }: KnownSpecs): HostLayout['ports'] {
  const machine = machineOf(host.ip);
  const neighbours = agents.filter((agent) => machineOf(agent.ip) === machine);
  const declared = specs
    .flatMap(({ hosts }) => hosts)
    .filter(({ name, address }) => name !== host.name && machineOf(address) === machine);
  const names = new Set(declared.map(({ name }) => name));
  const undeclared = neighbours.filter(({ name }) => !names.has(name));
  if (names.size + undeclared.length === 0) return standardPorts;
  const taken = new Set([...declared.flatMap(({ ports }) => numbersOf(ports)), host.port]);
  for (const { port } of neighbours) taken.add(port);
  for (const index of undeclared.keys())
    for (const port of numbersOf(freePorts(names.size + index, taken))) taken.add(port);
  return freePorts(names.size + undeclared.length, taken);
}

function numbersOf({ client, peer, metrics }: HostLayout['ports']): readonly number[] {
  return [client, peer, metrics];
}

function checkAgentPort({ name, port, ports }: HostLayout): void {
  const clash = Object.entries(ports).find(([, number]) => number === port);
  if (clash === undefined) return;
  throw new QuorateError({
    code: 'host-invalid',
    kind: 'invalid',
    operation: `add host ${name}`,
    summary: `port ${port} is meant for the member's ${clash[0]} traffic`,
    remedy: 'Give the agent another port, for example 7001.',
  });
}

function nextSteps(fleet: FleetFolder, host: HostLayout, notAfterMs: number, { specs, doubt }: KnownSpecs): string {
  const { name, ip, port } = host;
  const files = [`agents/${name}.yaml`, 'pki/ca.crt', `pki/agents/${name}.crt`, `pki/agents/${name}.key`];
  const copy = isLoopback(ip) ? '' : `Copy to the host, in the same layout:\n  ${files.join('\n  ')}\n\n`;
  const naming = specs.filter(({ hosts }) => hosts.some((other) => other.name === name)).map((spec) => spec.name);
  const there =
    naming.length === 0
      ? ''
      : `Specs that name it already: ${naming.join(', ')}. Compare its agent there: ${hostUrl(ip, port)}\n`;
  const unsure =
    doubt === undefined ? '' : `The specs could not all be read, so see that its ports are free (${doubt}).\n`;
  return `Made the agent of host ${name}, with a certificate until ${formatTime(notAfterMs)}.

${copy}Start its agent there, in a terminal or as a service:
  quorate agent --config ${shellWord(join(fleet.path, 'agents', `${name}.yaml`))}

Then put this line into spec.hosts of a cluster and commit. The host is a spare until \`members\` grows or
another host is cordoned:
${hostLine(host)}
${there}${unsure}`;
}

function hostExists(host: HostInput, found: string, remedy: string): QuorateError {
  return new QuorateError({
    code: 'host-exists',
    kind: 'invalid',
    operation: `add host ${host.name}`,
    summary: found,
    remedy,
  });
}
