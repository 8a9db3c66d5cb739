import { describeError, QuorateError, systemErrorCode } from '../base/errors.ts';
import { maxStoredObjects } from './keys.ts';

export function storeConflict(operation: string, summary: string): QuorateError {
  return new QuorateError({
    code: 'store-conflict',
    kind: 'transient',
    operation,
    summary,
    remedy: 'Somebody else wrote first. Read again and decide anew; do not repeat the write as it was.',
  });
}

export function objectNotFound(operation: string, key: string): QuorateError {
  return new QuorateError({
    code: 'object-not-found',
    kind: 'stalled',
    operation,
    summary: `the store holds no object ${key}`,
    remedy: 'Check the name; `quorate backup list` shows what there is.',
  });
}

export function storeUnreachable(operation: string, summary: string, remedy: string, cause?: unknown): QuorateError {
  return new QuorateError({ code: 'store-unreachable', kind: 'transient', operation, summary, remedy, cause });
}

export function storeDenied(operation: string, summary: string, remedy: string, cause?: unknown): QuorateError {
  return new QuorateError({ code: 'store-denied', kind: 'stalled', operation, summary, remedy, cause });
}

export function storeFull(operation: string, summary: string, cause?: unknown): QuorateError {
  return new QuorateError({
    code: 'store-full',
    kind: 'stalled',
    operation,
    summary,
    remedy: 'Free space on the store or give it more; nothing was listed and nothing that was there was lost.',
    cause,
  });
}

export function objectTooLarge(operation: string, sizeBytes: number, limitBytes: number): QuorateError {
  return new QuorateError({
    code: 'store-object-too-large',
    kind: 'stalled',
    operation,
    summary: `the object has ${sizeBytes} bytes, and ${limitBytes} are the most for one that is handled whole`,
    remedy: 'Nothing that Quorate writes there is so large; see what it is and move it away.',
  });
}

export function storeTooLarge(operation: string, place: string): QuorateError {
  return new QuorateError({
    code: 'store-too-large',
    kind: 'stalled',
    operation,
    summary: `${place} holds more than ${maxStoredObjects} objects`,
    remedy: 'Prune old backups, or move away what does not belong there.',
  });
}

const fullCodes: readonly string[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];
const deniedCodes: readonly string[] = [
  'EACCES',
  'EPERM',
  'EROFS',
  'ELOOP',
  'ENOTDIR',
  'EISDIR',
  'EXDEV',
  'ENOTSUP',
  'EOPNOTSUPP',
];

export function isOutOfSpace(error: unknown): boolean {
  return fullCodes.includes(systemErrorCode(error) ?? '');
}

/** Turns a system error of a folder store into a store error; a QuorateError passes unchanged. */
export function storeFault(error: unknown, operation: string, folder: string): QuorateError {
  if (error instanceof QuorateError) return error;
  const code = systemErrorCode(error) ?? '';
  const seen = describeError(error);
  if (fullCodes.includes(code)) return storeFull(operation, `no space left below ${folder} (${seen})`, error);
  if (deniedCodes.includes(code)) {
    return storeDenied(
      operation,
      `the file system does not allow it below ${folder} (${seen})`,
      'The folder must belong to the user that Quorate runs as, be writable, support hard links and hold no symbolic links.',
      error,
    );
  }
  return storeUnreachable(
    operation,
    `the store at ${folder} did not do it (${seen})`,
    'See whether the folder is mounted and its disk or server answers.',
    error,
  );
}
