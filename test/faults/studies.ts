import { million } from './million.ts';
import { mutants } from './mutants/mutants-study.ts';
import { simulation } from './simulation-study.ts';
import type { Study } from './study.ts';

export const STUDIES: readonly Study[] = [mutants, simulation, million];
