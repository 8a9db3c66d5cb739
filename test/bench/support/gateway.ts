import { Pool } from 'undici';
import type { ClientCredentials } from '../../../src/tls/keystore.ts';

/** One member through etcd's own HTTP gateway with mutual TLS, on one connection that is kept. */
export class Gateway {
  readonly url: string;
  readonly #pool: Pool;

  constructor(url: string, { ca, certificate, key }: ClientCredentials, timeoutMs: number) {
    this.url = url;
    this.#pool = new Pool(url, {
      connections: 1,
      connect: { ca, cert: certificate, key, timeout: timeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
  }

  /** Resolves when the write was acknowledged. */
  async put(key: string, value: string, signal?: AbortSignal): Promise<void> {
    await this.post('/v3/kv/put', { key: base64(key), value: base64(value) }, signal);
  }

  async post(path: string, body: object, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#pool.request({
      method: 'POST',
      path,
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      signal: signal ?? null,
    });
    const answer: unknown = await response.body.json();
    if (response.statusCode !== 200) throw new Error(`${path} answered ${response.statusCode}`);
    return answer;
  }

  /** Rejects unless `GET /health` says that the member is well. */
  async health(signal?: AbortSignal): Promise<void> {
    const response = await this.#pool.request({ method: 'GET', path: '/health', signal: signal ?? null });
    const answer = await response.body.text();
    if (response.statusCode !== 200 || !/"health":\s*"?true/.test(answer)) throw new Error(`unhealthy: ${answer}`);
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
