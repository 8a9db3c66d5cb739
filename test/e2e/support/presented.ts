import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import type { Fleet } from './fleet.ts';

export interface Presented {
  readonly fingerprint: string;
  readonly isRsa: boolean;
}

/** The certificate that a host's etcd shows to a client now. */
export async function presentedBy(fleet: Fleet, name: string): Promise<Presented> {
  await fleet.etcdctl();
  const [ca, cert, key] = await Promise.all(
    ['operator-ca.crt', 'operator.crt', 'operator.key'].map((file) => readFile(join(fleet.folder, file))),
  );
  const { hostname, port } = new URL(fleet.host(name).clientUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca, cert, key }, () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error(`${name} shows no certificate`));
      else
        resolve({
          fingerprint: certificate.fingerprint256,
          isRsa: certificate.publicKey.asymmetricKeyType === 'rsa',
        });
    });
    socket.once('error', reject);
  });
}
