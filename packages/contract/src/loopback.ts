/** Returns whether the host of a URL (`URL.hostname`) is this machine. Requests to it cross no network. */
export function isLoopbackHost(hostname: string): boolean {
  return /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname);
}
