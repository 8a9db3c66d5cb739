import { isIP } from 'node:net';
import type { EtcdCluster, Host } from './etcd-cluster.generated.ts';
import type { Finding } from './finding.ts';
import { membersSentence } from './quorum-text.ts';
import type { Rule } from './rule.ts';

export const hostRules: readonly Rule[] = [
  { reads: ['/spec/members', '/spec/hosts'], check: enoughHosts },
  { reads: ['/spec/hosts'], check: uniqueHosts },
  { reads: ['/spec/hosts'], check: usableAddresses },
  { reads: ['/spec/hosts'], check: usableAgents },
];

function enoughHosts({ spec }: EtcdCluster): readonly Finding[] {
  const { members, hosts } = spec;
  const usable = hosts.filter((host) => !host.cordon).length;
  if (members > hosts.length)
    return [
      {
        code: 'too-few-hosts',
        summary: 'More members than hosts',
        detail: `Found ${members} members and ${count(hosts.length, 'host')}; every member needs a host of its own. Add hosts, or lower spec.members. ${membersSentence}`,
        pointer: '/spec/members',
      },
    ];
  if (members > usable)
    return [
      {
        code: 'too-few-uncordoned-hosts',
        summary: 'More members than hosts that are not cordoned',
        detail: `Found ${members} members and ${count(hosts.length, 'host')}, of which ${usable} may run one; ${hosts.length - usable} cordoned. Add a host, or take "cordon: true" from one.`,
        pointer: '/spec/members',
      },
    ];
  return [];
}

function uniqueHosts({ spec }: EtcdCluster): readonly Finding[] {
  const findings: Finding[] = [];
  const names = new Map<string, number>();
  const agents = new Map<string, number>();
  for (const [index, host] of spec.hosts.entries()) {
    const sameName = names.get(host.name);
    if (sameName === undefined) names.set(host.name, index);
    else
      findings.push({
        code: 'duplicate-host',
        summary: 'Two hosts with one name',
        detail: `${JSON.stringify(host.name)} is the name of spec.hosts[${sameName}] already; members are told apart by the names of their hosts.`,
        pointer: `/spec/hosts/${index}/name`,
      });
    const agent = host.agent.toLowerCase();
    const sameAgent = agents.get(agent);
    if (sameAgent === undefined) agents.set(agent, index);
    else
      findings.push({
        code: 'duplicate-agent',
        summary: 'Two hosts with one agent',
        detail: `${host.agent} is the agent of spec.hosts[${sameAgent}] already; an agent runs one member of a cluster.`,
        pointer: `/spec/hosts/${index}/agent`,
      });
  }
  return findings;
}

function usableAddresses({ spec }: EtcdCluster): readonly Finding[] {
  return spec.hosts.flatMap((host, index) => {
    const reason = addressProblem(host.address);
    if (reason === undefined) return [];
    return {
      code: 'invalid-address',
      summary: 'Not an address that a member can have',
      detail: `Found ${JSON.stringify(host.address)}: ${reason}. Write the IP address or the DNS name at which the other hosts reach this one.`,
      pointer: `/spec/hosts/${index}/address`,
    };
  });
}

function usableAgents({ spec }: EtcdCluster): readonly Finding[] {
  return spec.hosts.flatMap((host, index) => {
    const reason = agentProblem(host);
    if (reason === undefined) return [];
    return {
      code: 'invalid-agent-url',
      summary: 'Not the URL of an agent',
      detail: `Found ${JSON.stringify(host.agent)}: ${reason}. Write https://HOST:PORT, for example https://10.0.0.11:7001.`,
      pointer: `/spec/hosts/${index}/agent`,
    };
  });
}

function agentProblem(host: Host): string | undefined {
  const match = /^https:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})$/.exec(host.agent);
  if (match === null)
    return /:[0-9]+$/.test(host.agent) ? 'its host is not an address' : 'it is not a host and a port alone';
  const port = Number(match[2]);
  if (port < 1 || port > 65_535) return `${port} is not a port; ports are 1 to 65535`;
  return addressProblem((match[1] ?? '').replace(/^\[|\]$/g, ''));
}

function addressProblem(address: string): string | undefined {
  const family = isIP(address);
  if (family === 0) {
    if (/^[0-9.]+$/.test(address) || address.includes(':')) return 'it is not a valid IP address';
    const labels = address.split('.');
    const isName = labels.every((label) => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));
    return isName ? undefined : 'it is not a valid DNS name';
  }
  if (address === '0.0.0.0' || /^[0:]+$/.test(address)) return 'it stands for every address of a host';
  const first = Number.parseInt(address, 10);
  const isMulticast = family === 4 ? first >= 224 : /^ff/i.test(address);
  return isMulticast ? 'it is not the address of one host' : undefined;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
