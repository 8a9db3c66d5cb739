/** What a new cluster runs: the newest patch of the last minor but one, which has been out for long. */
export const defaultVersion = '3.6.14';
