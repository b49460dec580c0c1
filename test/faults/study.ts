/** Something that is tried for long and is no fault of a deployment: it runs where it is named. */
export interface Study {
  readonly name: string;
  readonly what: string;
  /** Whether all was as it has to be; what it measured it says. */
  run(options: StudyOptions): Promise<boolean>;
}

export interface StudyOptions {
  readonly seed: number;
  /** How much of it; null: as much as it does by itself. */
  readonly count: number | null;
  readonly say: (line: string) => void;
}
