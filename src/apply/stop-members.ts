import { settleAll } from '../base/settle.ts';
import { stopGraceMs } from './grace.ts';
import { agentOf, type StepContext } from './step-module.ts';

/**
 * Stops all of these members; the outage is declared. The leader is last: one that is told to end together with its
 * followers offers them its place for seconds, and nobody is left to take it.
 */
export async function stopMembers(hosts: readonly string[], context: StepContext): Promise<void> {
  const { live, spec } = context;
  const leaderId = live.etcd.known ? live.etcd.value.leaderId : null;
  const leads = (host: string): boolean =>
    live.etcd.known && live.etcd.value.members.some((member) => member.host === host && member.id === leaderId);
  const stop = (host: string): Promise<unknown> => agentOf(context, host).stop({ graceMs: stopGraceMs(spec) });
  await settleAll(hosts.filter((host) => !leads(host)).map(stop));
  await settleAll(hosts.filter(leads).map(stop));
}
