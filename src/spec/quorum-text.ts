export const membersSentence = 'A cluster has 1, 3, 5 or 7 members.';

/** Why a member count that is not allowed would be a bad one. */
export function explainMemberCount(members: number): string {
  if (members > 7)
    return `Found ${members}. ${membersSentence} Every write waits for a majority, so more members make writes slower; 7 survive the loss of 3.`;
  if (members < 1 || members % 2 === 1) return `Found ${members}. ${membersSentence}`;
  const quorum = members / 2 + 1;
  const smaller = members - 1;
  return (
    `Found ${members}. ${membersSentence} With ${members} members a quorum is ${quorum}, so the cluster survives the loss of ` +
    `${members - quorum}, no more than with ${smaller}, and has one member more that can fail. ` +
    `Write ${smaller} or ${members + 1}.`
  );
}
