/**
 * Selects the environment variables that a daemon inherits: the place of the enrolment key, certificates, and common
 * ones.
 */
export function daemonEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => allowed.test(name)));
}

const allowed =
  /^(PATH|HOME|USER|LANG|LC_[A-Z]+|TZ|TMPDIR|NODE_[A-Z0-9_]+|SSL_CERT_(FILE|DIR)|SALLYPORT_CA_FILE|SALLYPORT_WIREGUARD_GO|SALLYPORT_ENROLMENT_KEY(_FILE)?)$/;
