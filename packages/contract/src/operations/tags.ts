/** Families of operations, in the order in which the document shows them. */
export const tags = {
  Gateways: 'Gateways run in private networks and enforce the access of devices to resources.',
  Resources: 'A resource is one or more addresses in a network behind gateways, or on the internet.',
  Protocols: 'A protocol is a named set of transport protocols and ports, which addresses of resources refer to.',
  Addresses: 'An address belongs to one resource and has its own protocols.',
  Devices: 'A device reaches resources through WireGuard: with the client (native) or with any WireGuard app (plain).',
  'Enrolment keys': 'An enrolment key lets one native device register itself once.',
  Policies: 'Policies say in order who may reach what; the first match decides.',
  'Admission rules':
    'An admission rule is a CEL condition on person, device, place and time that a policy can ask for.',
  Users: 'Users own devices, are in groups and have roles.',
  Groups: 'A group gives its users access, roles and a device limit.',
  Roles: 'A role says what its users may do in this system.',
  Access: 'These operations explain who can reach what, and why.',
  Audit: 'Every change is an audit event, chained to the one before by its hash.',
  Changes: 'The change stream tells programs what has changed.',
  Batches: 'A batch makes many writes as one, under one plan.',
  Live: 'The live stream tells a page or program what changes of the objects that it shows, once a second.',
  Settings: 'Settings hold for the whole tenant.',
  'Sign-in providers': 'An OpenID Connect provider lets the people of a tenant sign in with their accounts there.',
  'API keys': 'An API key selects the tenant and acts with a role.',
  'Sign-in': 'People sign in at the public address of the controller, with a passkey, a password or a provider.',
  'My account': 'What a signed-in person sees and changes of the own account.',
  'My devices': 'The own devices of a signed-in person, and the resources that they reach.',
} as const;

/** Tag under which the OpenAPI document lists an operation. */
export type Tag = keyof typeof tags;
