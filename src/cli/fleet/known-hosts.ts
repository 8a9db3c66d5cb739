import { join } from 'node:path';
import { loadAgentConfig } from '../../agent/config.ts';
import type { Clock } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { loadControllerConfig } from '../../controller/config.ts';
import { openRepository } from '../../source/repository.ts';
import type { ClusterSpec } from '../../spec/cluster-spec.ts';
import { loadSpecs } from '../../spec/load.ts';
import { entriesOf, type FleetFolder, inFleet } from './folder.ts';

/** The agent of a host that the fleet has already. */
export interface KnownAgent {
  readonly file: string;
  readonly name: string;
  /** Where it listens; `0.0.0.0` and `::` are everywhere. */
  readonly ip: string;
  readonly port: number;
}

/** Those that have a file in `agents/`. Throws `config-invalid` for a file that cannot be read. */
export async function knownAgents(fleet: FleetFolder): Promise<readonly KnownAgent[]> {
  const folder = join(fleet.path, 'agents');
  const entries = await inFleet(fleet.path, () => entriesOf(folder));
  const agents: KnownAgent[] = [];
  for (const entry of entries.filter((name) => /^[^.].*\.yaml$/.test(name)).toSorted()) {
    const file = join(folder, entry);
    const { name, listen } = await loadAgentConfig(file);
    agents.push({ file, name, ip: listen.host, port: listen.port });
  }
  return agents;
}

export interface KnownSpecs {
  readonly specs: readonly ClusterSpec[];
  /** Why there may be more than these; undefined when they are all. */
  readonly doubt: string | undefined;
}

/** The clusters that Git declares now. Never throws: where Git cannot be asked, that is the doubt. */
export async function knownSpecs(fleet: FleetFolder, clock: Clock): Promise<KnownSpecs> {
  try {
    const { git, state } = await loadControllerConfig(join(fleet.path, 'controller.yaml'));
    const repository = await openRepository({ ...git, cacheDir: join(state, 'git'), log: silentLogger, clock });
    try {
      const { files } = await repository.read(await repository.head());
      const { specs, broken } = loadSpecs(files);
      const doubt = broken.length === 0 ? undefined : `not valid: ${broken.map(({ path }) => path).join(', ')}`;
      return { specs: specs.map(({ spec }) => spec), doubt };
    } finally {
      repository.close();
    }
  } catch (error) {
    return { specs: [], doubt: describeError(error) };
  }
}
