import { OperatorError } from './errors.ts';

/** A failure of the operating system in words, or its code where there are none. */
export function systemReason(error: unknown): string {
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  return reasons[code] ?? code;
}

/** Whether the operating system refused something. Mistakes of the program are not. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

/** Does something in the file system. A refusal becomes an OperatorError that begins with `what`. */
export function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw isSystemError(error) ? new OperatorError(`${what}: ${systemReason(error)}`) : error;
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; run as the user that owns it, or change its owner',
  EPERM: 'not permitted; run as the user that owns it, or change its owner',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full; make room first',
  EDQUOT: 'the disk quota is used up; make room first',
  ENOTDIR: 'a part of the path is a file and not a directory',
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory and not a file',
  ELOOP: 'its symbolic links lead nowhere',
  ENAMETOOLONG: 'the path is too long',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
  EIO: 'the disk failed',
};
