export * from './controller.ts';
export * from './dice.ts';
export * from './items.ts';
export * from './keys.ts';
export * from './network.ts';
export * from './paths-world.ts';
