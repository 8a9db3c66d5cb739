/** How far something that moves bytes, or keys, has come. */
export interface Transfer {
  /** What is done, for people: `writing`. A new label begins at nothing again. */
  readonly label: string;
  /** What the numbers count; bytes when it is not said. */
  readonly unit?: 'bytes' | 'keys' | undefined;
  readonly doneBytes: number;
  /** As far as it is known; undefined while it is not. */
  readonly totalBytes?: number | undefined;
}
