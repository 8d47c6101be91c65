/** The access token of this tab, for servers that ask for one. It lives as long as the tab. */
const KEY = "clew.token";

export function accessToken(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
export function setAccessToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token.trim());
  } catch {
    // Without storage the token cannot be kept; the next request says so again.
  }
}
export function authHeaders(): Record<string, string> {
  const token = accessToken();
  return token === "" ? {} : { Authorization: `Bearer ${token}` };
}
