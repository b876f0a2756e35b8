/**
 * Connections that the kernel keeps until they are accepted. All agents come back at once after a restart. The kernel drops the
 * last packet of a handshake for which it has no room, and later resets that connection.
 */
export const connectionBacklog = 4096;
