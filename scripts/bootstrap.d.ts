/** Types of bootstrap.js, which stays plain JavaScript because it runs before anything is installed. */
import type { SpawnOptions } from 'node:child_process';

export declare const nodeMajor: number;
export declare class SetupError extends Error {}
export declare function ensurePackages(root: string, log?: (line: string) => void): Promise<boolean>;
export declare function findNode(root: string): string | undefined;
export declare function noNode(): SetupError;
export declare function handOver(command: string, args: readonly string[], options?: SpawnOptions): Promise<number>;
