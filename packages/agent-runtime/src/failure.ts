import { HostNetError } from '@sallyport/hostnet';
import { WireGuardError } from '@sallyport/wireguard';

/** A failure as the controller shows it: a stable code and a sentence with advice. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** A problem on this host that the agent has found. */
export class AgentError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'AgentError';
    this.code = code;
  }
}

export { UsageError } from './usage-error.ts';

/** Returns the report of a thrown value. Messages of our packages have no secrets; other messages are shortened. */
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
 * Returns the stack of an unexpected error on separate lines if `debug` (SALLYPORT_DEBUG) is set, or an empty text. Errors
 * with advice need no stack.
 */
export function stackOf(error: unknown, debug: string | undefined): string {
  if (!debug || !(error instanceof Error) || failureOf(error).code !== 'internal') return '';
  return `\n${error.stack ?? error.message}`;
}

const portTaken: Failure = {
  code: 'port-taken',
  message: 'The UDP port is taken: stop the program that uses it (ss -lunp names it) or choose another wireguardPort.',
};

/** Maximum length of a message in the protocol, in characters. */
function sentence(text: string): string {
  const whole = `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return `${whole.slice(0, 1900)}${/[.!?]$/.test(whole) ? '' : '.'}`;
}
