export { openBackbone, type OpenBackboneOptions, type OpenedBackbone } from './backbone.js';
export { openModel } from './model.js';
export { openPretraining, type Pretraining } from './pretraining.js';
