import type { BareCluster } from './bare-cluster.ts';
import { quorateProgram } from './fleet.ts';
import { type MeasuredCommand, measureSuccess } from './measured-command.ts';

export interface BackupCommandOptions {
  /** Of the store. */
  readonly folder: string;
  readonly cluster: string;
  readonly profiles?: string | undefined;
}

/** `quorate backup create` beside an etcd that Quorate does not know: the whole process. Prints the backup in JSON. */
export function backUpWithQuorate(member: BareCluster, options: BackupCommandOptions): Promise<MeasuredCommand> {
  const [program, ...first] = quorateProgram(options.profiles);
  const values = {
    endpoints: member.endpoints.join(','),
    ...member.clientFiles,
    store: `file://${options.folder}`,
    cluster: options.cluster,
    format: 'json',
  };
  const flags = Object.entries(values).flatMap(([name, value]) => [`--${name}`, value]);
  return measureSuccess(program, [...first, 'backup', 'create', ...flags]);
}
