/** Whether the host of a URL (`URL.hostname`) is this machine itself, so that no network sees what is sent. */
export function isLoopbackHost(hostname: string): boolean {
  return /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/.test(hostname);
}
