/** Who answers for a service. */
import { Reach } from "./parts.tsx";

/** A team with the ways to reach it: texts, and where they are addresses those. */
export interface Answers {
  name: string;
  ways: { text: string; shown: string; href: string | undefined }[];
}

/** The team, and unless there is only room for a word, how it is reached. */
export function Owner({ service, team, short }: { service: string; team: Answers | undefined; short?: boolean }) {
  if (!team) return <span className="faint" title={`The charter names no team for ${service}`}>nobody</span>;
  if (short) return <span className="cut" title={[team.name, ...team.ways.map((w) => w.text)].join("\n")}>{team.name}</span>;
  return (
    <span className="owner-line">
      <b>{team.name}</b>
      {team.ways.map((w) => <Reach key={w.text} text={w.shown} href={w.href} />)}
    </span>
  );
}
