import type { Clock } from '../base/clock.ts';
import { formatDuration } from '../base/duration.ts';
import { formatSize } from '../base/size.ts';
import type { Transfer } from '../base/transfer.ts';
import type { Terminal } from './terminal.ts';

/** Shows how far something has come. Call `end` before anything else is written, and when it is over. */
export interface ProgressReporter {
  (transfer: Transfer): void;
  /** Takes the bar away. Calling it twice, or calling the reporter again afterwards, is fine. */
  end(): void;
}

/** A bar is drawn ten times a second at most. */
const redrawMs = 100;
/** Where there is no terminal: a line for every so many bytes, or after that time. */
const lineBytes = 64 * 1024 ** 2;
const lineMs = 5000;
/** The rate is that of the last seconds, so that a stall shows; one sample for each half of a second. */
const windowMs = 10_000;
const sampleMs = 500;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

/**
 * A bar with bytes, rate and time left when `terminal` is one, plain lines elsewhere; both go to standard error. A short
 * transfer without a terminal says nothing.
 */
export function progressReporter(terminal: Terminal, clock: Clock): ProgressReporter {
  let label: string | undefined;
  let samples: Sample[] = [];
  let told: Sample = { atMs: 0, bytes: 0 };
  let isDrawn = false;

  const end = (): void => {
    if (isDrawn) terminal.err('\r\u001b[K');
    isDrawn = false;
    label = undefined;
  };

  const report = (transfer: Transfer): void => {
    const now: Sample = { atMs: clock.monotonic(), bytes: transfer.doneBytes };
    const isNew = transfer.label !== label || transfer.doneBytes < (samples.at(-1)?.bytes ?? 0);
    if (isNew) {
      label = transfer.label;
      samples = [now];
      told = now;
    } else if (now.atMs - (samples.at(-1)?.atMs ?? 0) >= sampleMs) {
      samples = [...samples.filter((sample) => now.atMs - sample.atMs <= windowMs), now];
    }
    const columns = terminal.columns?.();
    if (columns !== undefined) {
      if (!isNew && now.atMs - told.atMs < redrawMs) return;
      told = now;
      isDrawn = true;
      terminal.err(`\r${renderBar(transfer, rateOf(samples, now), columns)}\u001b[K`);
      return;
    }
    if (now.bytes - told.bytes < lineBytes && now.atMs - told.atMs < lineMs) return;
    told = now;
    terminal.err(`${renderLine(transfer, rateOf(samples, now))}\n`);
  };

  return Object.assign(report, { end });
}

/** Bytes a second; undefined while too little has been seen. */
function rateOf(samples: readonly Sample[], now: Sample): number | undefined {
  const [oldest] = samples;
  const tookMs = oldest === undefined ? 0 : now.atMs - oldest.atMs;
  return oldest === undefined || tookMs < sampleMs ? undefined : ((now.bytes - oldest.bytes) * 1000) / tookMs;
}

/** `writing: 64.0 MiB of 1.0 GiB (6%), 98.2 MiB/s, 9s left`. */
function renderLine(transfer: Transfer, rate: number | undefined): string {
  const { label, doneBytes } = transfer;
  const total = knownTotal(transfer);
  const done = total === undefined ? '' : ` of ${amountOf(transfer, total)} (${percentOf(doneBytes, total)}%)`;
  return `${label}: ${amountOf(transfer, doneBytes)}${done}${paceText(transfer, rate)
    .map((text) => `, ${text}`)
    .join('')}`;
}

const narrowestBar = 10;
const widestBar = 40;

/** One line that fits in `columns`: what there is no room for is left out, the least useful first. */
function renderBar(transfer: Transfer, rate: number | undefined, columns: number): string {
  const { label, doneBytes } = transfer;
  const total = knownTotal(transfer);
  const parts = [
    label,
    ...(total === undefined ? [] : [`${String(percentOf(doneBytes, total)).padStart(3)}%`]),
    total === undefined
      ? amountOf(transfer, doneBytes)
      : `${amountOf(transfer, doneBytes)} / ${amountOf(transfer, total)}`,
    ...paceText(transfer, rate),
  ];
  // The last column stays free: some terminals wrap when it is written.
  const room = Math.max(0, columns - 1);
  while (parts.length > 1 && parts.join('  ').length > room) parts.pop();
  const text = parts.join('  ');
  const width = Math.min(widestBar, room - text.length - 4);
  if (total === undefined || width < narrowestBar) return text.slice(0, room);
  const filled = Math.round((Math.min(doneBytes, total) / total) * width);
  const [first = '', ...rest] = parts;
  return [first, `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`, ...rest].join('  ');
}

function paceText(transfer: Transfer, rate: number | undefined): readonly string[] {
  if (rate === undefined) return [];
  const total = knownTotal(transfer);
  const pace = `${amountOf(transfer, Math.round(rate))}/s`;
  if (total === undefined || rate <= 0 || transfer.doneBytes >= total) return [pace];
  const leftMs = ((total - transfer.doneBytes) / rate) * 1000;
  return [pace, `${formatDuration(Math.max(1000, Math.round(leftMs)))} left`];
}

/** A database that has grown since its size was asked is of unknown size. */
function knownTotal({ doneBytes, totalBytes }: Transfer): number | undefined {
  return totalBytes === undefined || totalBytes <= 0 || doneBytes > totalBytes ? undefined : totalBytes;
}

function amountOf({ unit }: Transfer, amount: number): string {
  return unit === 'keys' ? `${amount} keys` : formatSize(amount);
}

function percentOf(doneBytes: number, totalBytes: number): number {
  return Math.floor((doneBytes / totalBytes) * 100);
}
