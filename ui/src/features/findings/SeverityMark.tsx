/** How bad a finding is: told by shape and word, and by colour besides. */
import { Icon, type IconName } from "../../base/Icon.tsx";
import type { Severity } from "../../model/findings.ts";

const ICONS: Record<Severity, IconName> = { violation: "diamond", improvement: "warning", information: "info" };

export function SeverityMark({ severity, words }: { severity: Severity; words?: boolean }) {
  return (
    <span className={`severity ${severity}`} title={words ? undefined : severity}>
      <Icon name={ICONS[severity]} small />
      <span className={words ? "cut" : "hidden-text"}>{severity}</span>
    </span>
  );
}
