export { ReleaseError, type ReleaseProblem } from './error.ts';
export {
  createReleaseKey,
  isSigned,
  oneLineOf,
  parsePrivateKey,
  parseReleaseKeys,
  type ReleaseKeyPair,
  signSums,
} from './key.ts';
export {
  formatSums,
  maxSumsBytes,
  parseSums,
  readSignedSums,
  releaseKeyFile,
  signatureFile,
  sumsFile,
} from './sums.ts';
export type { TarLimits } from './tar-read.ts';
export { unpackLimits, unpackRelease } from './unpack.ts';
export { chooseArchive, maxArchiveBytes, type Release, type ReleaseRequest, verifyRelease } from './verify.ts';
export {
  archiveName,
  compareVersions,
  folderName,
  isVersion,
  type Processor,
  parseArchiveName,
  processors,
} from './version.ts';
