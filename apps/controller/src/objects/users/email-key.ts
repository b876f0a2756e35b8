/** Returns the form of an address that is unique within a tenant: letter case does not count. */
export const emailKey = (email: string): string => email.toLowerCase();
