/* Every feature of the API, one a line. A new feature is registered by its line here. */
export { accessFeature } from './access/routes.ts';
export { admissionRuleFeature } from './admission-rules/routes.ts';
export { apiKeyFeature } from './api-keys/routes.ts';
export { auditFeature } from './audit/routes.ts';
export { changeFeature } from './changes/routes.ts';
export { deviceFeature } from './devices/routes.ts';
export { enrolmentKeyFeature } from './enrolment-keys/routes.ts';
export { gatewayFeature } from './gateways/routes.ts';
export { groupFeature } from './groups/routes.ts';
export { policyFeature } from './policies/routes.ts';
export { protocolFeature } from './protocols/routes.ts';
export { resourceFeature } from './resources/routes.ts';
export { roleFeature } from './roles/routes.ts';
export { tenantSettingsFeature } from './tenant-settings/routes.ts';
export { userFeature } from './users/routes.ts';
