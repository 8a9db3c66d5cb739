import { readConfigFile } from '../spec/config-file.ts';
import { type ListenAddress, parseListenAddress } from '../spec/listen-address.ts';
import { compileSchema } from '../spec/schema.ts';
import { sizeBytes } from '../spec/values.ts';
import type { AgentFile } from './config.generated.ts';

/** `agents/NAME.yaml` with defaults filled in; every path is absolute. */
export interface AgentConfig {
  /** The file that this was read from. */
  readonly file: string;
  /** Name of this host, as in the cluster specs. */
  readonly name: string;
  readonly listen: ListenAddress;
  readonly dataDir: string;
  readonly identity: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly binaries: BinariesConfig;
  readonly runtime: 'process';
  readonly log: { readonly level: AgentFile['log']['level'] };
  readonly archives: {
    /** 1 to 3650. */
    readonly keepDays: number;
    readonly minFreeBytes: number;
  };
}

export interface BinariesConfig {
  /** Folders that are searched before anything is fetched. */
  readonly dirs: readonly string[];
  /** Where releases are fetched from, in this order; empty: nothing is fetched. */
  readonly sources: readonly ('release' | 'debian' | 'go')[];
  /** Base URL of a mirror of the official archives, without a slash at its end. */
  readonly releaseUrl?: string;
  /** Folder of fetched releases; absent: the user's cache, which `quorate binaries` fills too. */
  readonly cache?: string;
}

const validate = compileSchema<AgentFile>('agent');

/** Rejects with a QuorateError of kind `invalid`; its summary holds every finding with its line and column. */
export async function loadAgentConfig(path: string): Promise<AgentConfig> {
  const { file, value, absolute } = await readConfigFile(path, validate, () => []);
  const { binaries, identity, archives } = value;
  const dataDir = absolute(value.dataDir);
  return {
    file,
    name: value.name,
    listen: parseListenAddress(value.listen),
    dataDir,
    identity: { ca: absolute(identity.ca), cert: absolute(identity.cert), key: absolute(identity.key) },
    binaries: {
      dirs: binaries.dirs.map((folder) => absolute(folder)),
      sources: [...binaries.sources],
      ...(binaries.releaseUrl === undefined ? {} : { releaseUrl: binaries.releaseUrl.replace(/\/+$/, '') }),
      ...(binaries.cache === undefined ? {} : { cache: absolute(binaries.cache) }),
    },
    runtime: value.runtime,
    log: { level: value.log.level },
    archives: { keepDays: archives.keepDays, minFreeBytes: sizeBytes(archives.minFreeBytes) },
  };
}
