export * from './controller.ts';
export * from './items.ts';
export * from './keys.ts';
