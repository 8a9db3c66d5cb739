import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../base/log.ts';
import { type BinariesCommand, defaultBinarySettings, fetchBinary, listBinaries } from './binaries.ts';
import { stopSignal } from './stop-signal.ts';
import type { Terminal } from './terminal.ts';

async function commandOf(format: 'text' | 'json', terminal: Terminal): Promise<BinariesCommand> {
  const settings = await defaultBinarySettings(process.env);
  return { settings, clock: systemClock, log: silentLogger, format, print: terminal.out, printNotice: terminal.err };
}

/** `quorate binaries list`. */
export async function binariesList(format: 'text' | 'json', terminal: Terminal): Promise<number> {
  return listBinaries(await commandOf(format, terminal));
}

/** `quorate binaries fetch VERSION`. */
export async function binariesFetch(version: string, format: 'text' | 'json', terminal: Terminal): Promise<number> {
  return fetchBinary(await commandOf(format, terminal), version, stopSignal());
}
