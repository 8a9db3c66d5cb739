import type { AgentCommands } from '../agent/wire.ts';
import { settleAll } from '../base/settle.ts';
import type { HostSpec, TrustDomain } from '../spec/cluster-spec.ts';
import { memberNames } from '../tls/names.ts';
import type { StepContext } from './step-module.ts';

const domains: readonly TrustDomain[] = ['peer', 'client'];

/** Everything a host needs before a member can start on it: binary, trust, and certificates for both ports. */
export async function provision(host: HostSpec, commands: AgentCommands, context: StepContext): Promise<void> {
  // Nothing of it depends on the rest but a leaf on its trust, so a cluster is ready as soon as its slowest part.
  await settleAll<unknown>([
    commands.fetchBinary(context.spec.version),
    ...domains.map(async (domain) => {
      await commands.writeTrust({ domain, bundle: await trustBundle(domain, context) });
      await issueLeaf(host, domain, commands, context);
    }),
  ]);
}

/** Makes the authorities of the spec where they do not exist yet. */
export async function ensureAuthorities(context: StepContext): Promise<void> {
  for (const [name, authority] of Object.entries(context.spec.tls.authorities)) {
    await context.sight.keystore.ensureAuthority(context.spec.name, name, authority.validityMs);
  }
}

/** The host makes the key and keeps it; the names come from the spec, never from the request. */
export async function issueLeaf(
  host: HostSpec,
  domain: TrustDomain,
  commands: AgentCommands,
  context: StepContext,
): Promise<void> {
  const { tls, name: cluster } = context.spec;
  const csr = await commands.createCsr({ domain, keyType: tls.leaf.keyType });
  const certificate = await context.sight.keystore.issueLeaf(cluster, tls[domain].issue, {
    csr,
    commonName: host.name,
    sans: memberNames(host.name, host.address),
    validityMs: tls.leaf.validityMs,
  });
  await commands.installCertificate({ domain, certificate });
}

async function trustBundle(domain: TrustDomain, context: StepContext): Promise<string> {
  const authorities = await context.sight.keystore.authorities(context.spec.name);
  return context.spec.tls[domain].trust.map((name) => authorities[name]?.certificate ?? '').join('');
}
