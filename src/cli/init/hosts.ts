import { isIP } from 'node:net';
import { QuorateError } from '../../base/errors.ts';
import type { Ports } from '../../spec/cluster-spec.ts';
import { canonicalName } from '../../tls/names.ts';

/** A host as typed: `NAME=IP:PORT`, where the port is the agent's. */
export interface HostInput {
  readonly name: string;
  readonly ip: string;
  readonly port: number;
}

export interface HostLayout extends HostInput {
  readonly ports: MemberPorts;
}

/** What a scaffold writes; the port of the quarantine follows from the client's. */
export type MemberPorts = Omit<Ports, 'quarantine'>;

/** Three hosts on this machine, for a first look. */
export const loopbackHosts: readonly HostInput[] = [
  { name: 'a', ip: '127.0.0.1', port: 7001 },
  { name: 'b', ip: '127.0.0.1', port: 7002 },
  { name: 'c', ip: '127.0.0.1', port: 7003 },
];

/** etcd's own ports, and the next one for metrics. */
export const standardPorts: MemberPorts = { client: 2379, peer: 2380, metrics: 2381 };
// Hosts that share an address get ports this far apart: 2379, 2389, 2399…
const portStride = 10;
/** As many as a spec may hold. */
const maxHosts = 32;
const namePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** `a=10.0.0.11:7001` or `a=[2001:db8::1]:7001`. Throws `host-invalid`. */
export function parseHost(text: string): HostInput {
  const match = /^([^=]*)=(?:\[([^\]]*)\]|([^:]*)):([0-9]{1,5})$/.exec(text);
  if (match === null) throw invalidHost(text, 'it is not of the form NAME=IP:PORT');
  const host = { name: match[1] ?? '', ip: match[2] ?? match[3] ?? '', port: Number(match[4]) };
  checkHost(host, text);
  return { ...host, ip: canonicalName(host.ip) };
}

/**
 * Gives every host the ports of its member: the standard ones, and others where hosts share an address.
 * Throws `host-invalid` for bad and double names, addresses and ports.
 */
export function layOutHosts(hosts: readonly HostInput[]): readonly HostLayout[] {
  if (hosts.length === 0 || hosts.length > maxHosts)
    throw invalidHost('--host', `${hosts.length} hosts were given; a cluster takes 1 to ${maxHosts}`);
  const namesSeen = new Set<string>();
  const hostsAt = new Map<string, number>();
  const layouts = hosts.map((host) => {
    checkHost(host, `${host.name}=${host.ip}:${host.port}`);
    if (namesSeen.has(host.name)) throw invalidHost(host.name, 'the name is given to two hosts');
    namesSeen.add(host.name);
    const ip = canonicalName(host.ip);
    const machine = machineOf(ip);
    const before = hostsAt.get(machine) ?? 0;
    hostsAt.set(machine, before + 1);
    return { ...host, ip, ports: portsAfter(before) };
  });
  checkPorts(layouts);
  return layouts;
}

/** The ports of a host that comes after so many others on one machine; where one of them is taken, the next free ones. */
export function freePorts(before: number, taken: ReadonlySet<number>): MemberPorts {
  // Steps do not overlap, so each taken port stands in the way of one of them at most.
  for (let step = before; step <= before + taken.size; step++) {
    const ports = portsAfter(step);
    if (![ports.client, ports.peer, ports.metrics].some((port) => taken.has(port))) return ports;
  }
  return portsAfter(before + taken.size + 1);
}

function portsAfter(before: number): MemberPorts {
  const { client, peer, metrics } = standardPorts;
  const shift = before * portStride;
  return { client: client + shift, peer: peer + shift, metrics: metrics + shift };
}

/** What tells machines apart: addresses with the same text are one, and so are all of the loopback. */
export function machineOf(ip: string): string {
  return isLoopback(ip) ? 'this machine' : ip;
}

/** 127.0.0.1 and 127.0.0.2 are one machine, where metrics listen on one address whatever the member's is. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}

/** How many members run on so many hosts: the largest odd number up to 7; the other hosts are spares. */
export function memberCount(hosts: number): number {
  return Math.min(7, hosts % 2 === 0 ? hosts - 1 : hosts);
}

function checkHost(host: HostInput, text: string): void {
  if (!namePattern.test(host.name))
    throw invalidHost(text, 'the name must be 1 to 63 lower-case letters, digits and hyphens, not at the ends');
  if (isIP(host.ip) === 0 || host.ip.includes('%'))
    throw invalidHost(text, `${JSON.stringify(host.ip)} is not an IP address (without a zone)`);
  if (/^(0\.0\.0\.0|::)$/.test(canonicalName(host.ip)))
    throw invalidHost(text, `${host.ip} is no address at which others can reach a host`);
  if (!Number.isInteger(host.port) || host.port < 1 || host.port > 65535)
    throw invalidHost(text, `port ${host.port} is not in 1 to 65535`);
}

function checkPorts(layouts: readonly HostLayout[]): void {
  const taken = new Map<string, string>();
  for (const { name, ip, port, ports } of layouts) {
    for (const [use, number] of Object.entries({ agent: port, ...ports })) {
      const place = `${ip} port ${number}`;
      const owner = `the ${use} port of ${name}`;
      const other = taken.get(place);
      if (other !== undefined) throw invalidHost(name, `${owner} and ${other} are both ${place}`);
      taken.set(place, owner);
    }
  }
}

function invalidHost(text: string, found: string): QuorateError {
  return new QuorateError({
    code: 'host-invalid',
    kind: 'invalid',
    operation: 'read --host',
    summary: `host ${text.slice(0, 200)} cannot be used: ${found}`,
    remedy: 'Give each host as --host NAME=IP:PORT, with the port of its agent, for example --host a=10.0.0.11:7001.',
  });
}
