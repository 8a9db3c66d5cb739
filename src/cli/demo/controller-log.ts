import { type FileHandle, open } from 'node:fs/promises';

/** One line of the controller's log, as far as it is of interest here. */
export interface LogEntry {
  readonly atMs: number;
  readonly level: string;
  readonly message: string;
  /** First twelve digits. */
  readonly commit: string;
  readonly step: string;
  readonly action: string;
  readonly target: string;
  /** Of a run. */
  readonly outcome: string;
  /** Number of steps of a run. */
  readonly steps: number;
  /** Of a refusal or an error. */
  readonly code: string;
  readonly error: string;
}

const chunkBytes = 64 * 1024;

/** Reads a growing file of JSON lines, from its beginning. */
export class ControllerLog {
  readonly #file: FileHandle;
  #offset = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<ControllerLog> {
    return new ControllerLog(await open(path, 'r'));
  }

  /** What was written since the last call; at most 64 KiB at a time. */
  async next(): Promise<readonly LogEntry[]> {
    const { bytesRead, buffer } = await this.#file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, this.#offset);
    if (bytesRead === 0) return [];
    const end = buffer.lastIndexOf(0x0a, bytesRead - 1) + 1;
    // Half a line is read again when it is whole; one that fills the buffer is none that matters here.
    this.#offset += end === 0 && bytesRead === chunkBytes ? bytesRead : end;
    const lines = buffer.toString('utf8', 0, end).split('\n');
    return lines.flatMap((line) => (line === '' ? [] : entryOf(line)));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function entryOf(line: string): readonly LogEntry[] {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = { ...(JSON.parse(line) as object) };
  } catch {
    // Something of Node itself, for example a warning.
    return [];
  }
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  return [
    {
      atMs: Date.parse(text('time')),
      level: text('level'),
      message: text('msg'),
      commit: text('commit').slice(0, 12),
      step: text('step'),
      action: text('action'),
      target: text('target'),
      outcome: text('outcome'),
      steps: typeof fields['steps'] === 'number' ? fields['steps'] : 0,
      code: text('code'),
      error: text('error'),
    },
  ];
}
