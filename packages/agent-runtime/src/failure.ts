import { HostNetError } from '@sallyport/hostnet';
import { WireGuardError } from '@sallyport/wireguard';

/** A failure as the controller shows it: a stable code, and a sentence that says what to do. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** Something that is wrong on this host, found by the agent itself. */
export class AgentError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'AgentError';
    this.code = code;
  }
}

export { UsageError } from './usage-error.ts';

/** What to report of anything that was thrown. Messages of the packages never hold secrets; others are not passed on whole. */
export function failureOf(error: unknown): Failure {
  if (error instanceof WireGuardError) return { code: error.code, message: sentence(error.message) };
  if (error instanceof HostNetError) {
    if (/address already in use/i.test(error.message)) return portTaken;
    return {
      code: error.code,
      message: sentence(error.hint === null ? error.message : `${error.message}. ${error.hint}`),
    };
  }
  if (error instanceof AgentError) return { code: error.code, message: sentence(error.message) };
  const text = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message: sentence(`Unexpected: ${text}`) };
}

/**
 * The stack of an unexpected error, on lines of its own, when `debug` (SALLYPORT_DEBUG) is set; otherwise an empty text.
 * Errors that already say what to do have no stack worth showing.
 */
export function stackOf(error: unknown, debug: string | undefined): string {
  if (!debug || !(error instanceof Error) || failureOf(error).code !== 'internal') return '';
  return `\n${error.stack ?? error.message}`;
}

const portTaken: Failure = {
  code: 'port-taken',
  message: 'The UDP port is taken: stop the program that uses it (ss -lunp names it) or choose another wireguardPort.',
};

/** The protocol takes 2,000 characters. */
function sentence(text: string): string {
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return `${whole.slice(0, 1900)}${/[.!?]$/.test(whole) ? '' : '.'}`;
}
