import type { CredentialFiles } from './credentials.ts';
import { cleanEnvironment, type Ended, run } from './program.ts';

export interface ListedMember {
  readonly id: string;
  /** Empty before its first start. */
  readonly name: string;
  readonly isStarted: boolean;
  readonly isLearner: boolean;
}

export interface EndpointLine {
  readonly url: string;
  readonly memberId: string;
  readonly version: string;
  readonly isLeader: boolean;
}

/** etcdctl tries until its time is over, also where it will never be let in. */
const bounds = ['--dial-timeout=2s', '--command-timeout=4s'];
const refusedBounds = ['--dial-timeout=1s', '--command-timeout=1s'];

/** etcd's own tool, which knows nothing of Quorate: what it says is what is so. */
export class Etcdctl {
  readonly #program: string;
  readonly #files: CredentialFiles;

  constructor(program: string, files: CredentialFiles) {
    this.#program = program;
    this.#files = files;
  }

  /** Exit code of a call that should be refused, with other credentials than the operator's. */
  async codeWith(files: Partial<CredentialFiles>, endpoint: string): Promise<number> {
    return (await this.#run([endpoint], [...refusedBounds, 'get', 'any'], files)).code;
  }

  #run(
    endpoints: readonly string[],
    args: readonly string[],
    files: Partial<CredentialFiles> = this.#files,
  ): Promise<Ended> {
    const env = {
      ...cleanEnvironment(),
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: endpoints.join(','),
      ...(files.ca === undefined ? {} : { ETCDCTL_CACERT: files.ca }),
      ...(files.cert === undefined ? {} : { ETCDCTL_CERT: files.cert }),
      ...(files.key === undefined ? {} : { ETCDCTL_KEY: files.key }),
    };
    return run(this.#program, args, { env, timeoutMs: 20_000 });
  }

  async #lines(endpoints: readonly string[], args: readonly string[]): Promise<readonly string[]> {
    const { code, stdout, stderr } = await this.#run(endpoints, [...bounds, ...args]);
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')}: exit code ${code}: ${stderr}`);
    return stdout.split('\n').filter((line) => line !== '');
  }

  async members(endpoints: readonly string[]): Promise<readonly ListedMember[]> {
    const lines = await this.#lines(endpoints, ['member', 'list', '-w', 'simple']);
    return lines.map((line) => {
      const [id = '', status, name = '', , , isLearner] = line.split(', ');
      return { id, name, isStarted: status === 'started', isLearner: isLearner === 'true' };
    });
  }

  /** One line for each endpoint; throws when one does not answer. */
  async status(endpoints: readonly string[]): Promise<readonly EndpointLine[]> {
    const lines = await this.#lines(endpoints, ['endpoint', 'status', '-w', 'simple']);
    return lines.map((line) => {
      // 3.6 has more columns than 3.4; the first three are the same, and the leader is the first boolean.
      const cells = line.split(', ');
      const [url = '', memberId = '', version = ''] = cells;
      return { url, memberId, version, isLeader: cells.find((cell) => cell === 'true' || cell === 'false') === 'true' };
    });
  }

  /** Throws unless every one of the endpoints serves. */
  async health(endpoints: readonly string[]): Promise<void> {
    await this.#lines(endpoints, ['endpoint', 'health']);
  }

  /** Hash of all keys by endpoint. */
  async hashes(endpoints: readonly string[]): Promise<readonly string[]> {
    const lines = await this.#lines(endpoints, ['endpoint', 'hashkv', '-w', 'simple']);
    return lines.map((line) => line.split(', ')[1] ?? '');
  }

  async keys(endpoints: readonly string[], prefix: string): Promise<ReadonlyMap<string, string>> {
    const lines = await this.#lines(endpoints, ['get', prefix, '--prefix']);
    const found = new Map<string, string>();
    for (let index = 0; index + 1 < lines.length; index += 2) found.set(lines[index] ?? '', lines[index + 1] ?? '');
    return found;
  }

  /** Whatever it prints. */
  async text(endpoints: readonly string[], ...args: string[]): Promise<string> {
    return (await this.#lines(endpoints, args)).join('\n');
  }

  /** Exit code and output, also of a failure. */
  attempt(endpoints: readonly string[], ...args: string[]): Promise<Ended> {
    return this.#run(endpoints, [...bounds, ...args]);
  }

  async put(endpoints: readonly string[], key: string, value: string): Promise<void> {
    await this.#lines(endpoints, ['put', key, value]);
  }
}
