import { pino } from 'pino';
import type { Logger } from '../base/log.ts';
import { redact } from '../base/redact.ts';

/** JSON lines on stderr, so that stdout belongs to the command's own output. */
export function openLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        // Whatever a log line quotes from elsewhere passes the same filter as errors do.
        streamWrite: (line) => redact(line),
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
