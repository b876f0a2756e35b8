/** Returns the page that the address of the sign-in page leads back to: a path of the console, or nothing. */
export function targetOf(search: string): string | undefined {
  const to = new URLSearchParams(search).get('to');
  return to?.startsWith('/') === true && !to.startsWith('//') ? to : undefined;
}

/** Returns the address of the sign-in page that leads back to a path of the console. */
export const signInAddress = (path: string): string => `/console/sign-in?to=${encodeURIComponent(path)}`;
