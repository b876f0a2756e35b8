import type { LinkCall } from './host-links.ts';
import type { RequestsCall } from './host-requests.ts';
import type { SocketCall } from './host-sockets.ts';

/** A call from a Host to its process. */
export type HostCall =
  | { op: 'ready' }
  | { op: 'listen-tcp' | 'listen-udp'; port: number; address: string }
  | { op: 'listen-http'; port: number; address: string; body?: string | undefined }
  | { op: 'tcp' | 'udp'; address: string; port: number; timeoutMs: number; from?: string | undefined }
  | {
      op: 'ping';
      address: string;
      timeoutMs: number;
      size?: number | undefined;
      dontFragment?: boolean | undefined;
      from?: string | undefined;
    }
  | { op: 'http'; url: string; init: HttpInit }
  | { op: 'stream-start' | 'datagrams-start'; id: string; address: string; port: number; everyMs: number }
  | { op: 'stream-state' | 'stream-stop'; id: string }
  | SocketCall
  | LinkCall
  | RequestsCall;

/** A reply of the process of a Host. */
export interface HostReply {
  id: number;
  value?: unknown;
  error?: string;
}

/** Parameters of an HTTP request. */
export interface HttpInit {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly timeoutMs?: number;
}

/** The answer to an HTTP request, or its error. */
export type HttpAnswer = { status: number; headers: Record<string, string>; body: string } | { error: string };

/** State of a stream of echoes. */
export interface StreamState {
  readonly sent: number;
  readonly received: number;
  readonly open: boolean;
  /** Milliseconds since the last echo. */
  readonly silentMs: number;
  /** When the newest datagram that was echoed was sent, epoch milliseconds; null without one, and for connections. */
  readonly echoedSentAt: number | null;
}
