import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Document, parseDocument } from 'yaml';
import { freePortRow } from '../../../src/cli/demo/loopback-ports.ts';
import { mustRun, quorateArguments } from './program.ts';

export interface FleetPlan {
  readonly version: string;
  /** Program that all agents start; nothing is fetched. */
  readonly etcd: string;
  /** Default a to e. */
  readonly hosts?: readonly string[];
  /** Members in the first spec; default 3. */
  readonly members?: number;
  /** URL of the backup store; default the folder that `quorate init` chooses. */
  readonly store?: string;
}

export interface FleetHost {
  readonly name: string;
  readonly agentUrl: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
}

const cluster = 'orders';
/** Agent, client, peer, metrics, quarantine. */
const portsPerHost = 5;

/**
 * What `quorate init` makes of hosts on 127.0.0.1, on ports that are free and with the etcd that is at hand. The
 * changed spec lies in the work tree, not yet committed.
 */
export async function makeFleetFolder(folder: string, plan: FleetPlan): Promise<readonly FleetHost[]> {
  const names = plan.hosts ?? ['a', 'b', 'c', 'd', 'e'];
  const first = await freePortRow(names.length * portsPerHost);
  const portOf = (index: number, offset: number): number => first + index * portsPerHost + offset;
  const hosts = names.flatMap((name, index) => ['--host', `${name}=127.0.0.1:${portOf(index, 0)}`]);
  await mustRun(...quorateArguments(['init', folder, '--cluster', cluster, '--version', plan.version, ...hosts]));
  for (const name of names) {
    await editYaml(join(folder, 'agents', `${name}.yaml`), (document) => {
      document.setIn(['binaries', 'dirs'], [dirname(plan.etcd)]);
      document.setIn(['binaries', 'sources'], []);
    });
  }
  await editYaml(join(folder, 'controller.yaml'), (document) => {
    document.setIn(['http', 'listen'], '127.0.0.1:0');
    document.setIn(['interval'], '1s');
    document.setIn(['binaries', 'dirs'], [dirname(plan.etcd)]);
    document.setIn(['binaries', 'sources'], []);
  });
  await editYaml(join(folder, 'repo', 'clusters', `${cluster}.yaml`), (document) => {
    document.setIn(['spec', 'members'], plan.members ?? 3);
    // Only the backups that a test asks for.
    for (const key of ['every', 'keep', 'drill']) document.deleteIn(['spec', 'backup', key]);
    if (plan.store !== undefined) document.setIn(['spec', 'backup', 'store'], plan.store);
    for (const index of names.keys())
      document.setIn(['spec', 'hosts', index, 'ports'], {
        client: portOf(index, 1),
        peer: portOf(index, 2),
        metrics: portOf(index, 3),
        quarantine: portOf(index, 4),
      });
  });
  return names.map((name, index) => ({
    name,
    agentUrl: `https://127.0.0.1:${portOf(index, 0)}`,
    clientUrl: `https://127.0.0.1:${portOf(index, 1)}`,
    peerUrl: `https://127.0.0.1:${portOf(index, 2)}`,
  }));
}

/** Comments and layout stay. */
export async function editYaml(file: string, edit: (document: Document) => void): Promise<void> {
  const document = parseDocument(await readFile(file, 'utf8'));
  edit(document);
  await writeFile(file, document.toString({ lineWidth: 0 }));
}
