import { readdir } from 'node:fs/promises';
import { QuorateError } from '../base/errors.ts';
import { ensureFolder } from '../base/files.ts';
import { listArchives } from './archives.ts';
import { Member, type MemberContext } from './member.ts';
import { archivesFolder, clustersFolder, isClusterName } from './paths.ts';
import { storageError } from './state-file.ts';
import type { MemberFacts } from './wire.ts';

/** More clusters than a host runs; keeps a runaway controller from filling the disk with folders. */
const maxClusters = 256;

/** The members of all clusters on this host. */
export class Members {
  readonly #context: MemberContext;
  readonly #members: Map<string, Promise<Member>>;

  private constructor(context: MemberContext, members: Map<string, Promise<Member>>) {
    this.#context = context;
    this.#members = members;
  }

  /** Every cluster that this host has had to do with, its running process taken over. */
  static async load(context: MemberContext): Promise<Members> {
    const members = new Map<string, Promise<Member>>();
    for (const name of await clusterNames(context.dataDir)) {
      const member = await Member.load(name, context);
      await member.adopt();
      members.set(name, Promise.resolve(member));
    }
    return new Members(context, members);
  }

  all(): Promise<readonly Member[]> {
    return Promise.all(this.#members.values());
  }

  async find(cluster: string): Promise<Member | undefined> {
    return this.#members.get(cluster);
  }

  /** Gives the member of a cluster that was never heard of before too: its first command comes next. */
  async open(cluster: string): Promise<Member> {
    if (!isClusterName(cluster))
      throw refused(
        'invalid-cluster-name',
        `"${cluster.slice(0, 100)}" cannot be the name of a cluster`,
        'Use lower-case letters, digits and dashes, at most 63.',
      );
    const known = this.#members.get(cluster);
    if (known !== undefined) return known;
    if (this.#members.size >= maxClusters)
      throw refused(
        'too-many-clusters',
        `this host knows ${maxClusters} clusters already`,
        'Use another host, or remove the folders of clusters that are gone.',
      );
    const opening = Member.load(cluster, this.#context);
    this.#members.set(cluster, opening);
    try {
      return await opening;
    } catch (error) {
      this.#members.delete(cluster);
      throw error;
    }
  }

  /** Of all clusters, or of the named one; empty when this host has never heard of it. */
  async facts(cluster: string | undefined): Promise<Readonly<Record<string, MemberFacts>>> {
    const archives = await listArchives(archivesFolder(this.#context.dataDir));
    const facts: [string, MemberFacts][] = [];
    const wanted = (await this.all()).filter((member) => cluster === undefined || member.cluster === cluster);
    for (const member of wanted) {
      const own = archives.filter((archive) => archive.cluster === member.cluster).map((archive) => archive.name);
      facts.push([member.cluster, await member.facts(own)]);
    }
    return Object.fromEntries(facts);
  }
}

async function clusterNames(dataDir: string): Promise<readonly string[]> {
  const folder = clustersFolder(dataDir);
  try {
    await ensureFolder(folder);
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && isClusterName(entry.name)).map((entry) => entry.name);
  } catch (error) {
    throw storageError(error, `list ${folder}`);
  }
}

function refused(code: string, summary: string, remedy: string): QuorateError {
  return new QuorateError({ code, kind: 'invalid', operation: 'open a cluster', summary, remedy });
}
