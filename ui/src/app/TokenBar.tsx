/** Asks for an access token when the server wants one. */
import { useQueryClient, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError } from "../api/client.ts";
import { statusQuery } from "../api/queries.ts";
import { setAccessToken } from "../api/token.ts";
import { Icon } from "../base/Icon.tsx";

export function TokenBar() {
  const client = useQueryClient();
  const { error } = useQuery(statusQuery);
  const [token, setToken] = useState("");
  if (!(error instanceof ApiError) || error.kind !== "unauthenticated") return null;
  return (
    <form
      className="banner"
      onSubmit={(e) => {
        e.preventDefault();
        setAccessToken(token);
        void client.resetQueries();
      }}
    >
      <Icon name="warning" />
      <label htmlFor="token">This server asks for an access token.</label>
      <input id="token" className="input mono" type="password" autoComplete="off" value={token} onChange={(e) => setToken(e.target.value)} />
      <button type="submit" className="button primary" disabled={token.trim() === ""}>Use it in this tab</button>
    </form>
  );
}
